// The words of the roll call: the lines that people read when a wait or a section went wrong.
#pragma once

#include <string>
#include <vector>

#include "comm/roll_call/notes.h"
#include "comm/roll_call/peers.h"
#include "comm/roll_call/verdict.h"
#include "core/error.h"

namespace metaloom {

/// `in section "x" since 14:03:22, 31.0 s ago`; both times in seconds of the system clock.
std::string describe_section(const std::string& section, double since, double now);
/// The line of a watchdog about its own process, which is rank `rank`.
std::string describe_stuck(int rank, const Peer& self, const std::string& section, double seconds);

/// Where an accusation is made.
struct Scene {
  int rank;
  const std::vector<Peer>& peers;  // by rank
  const Note& mine;
  const std::vector<Seen>& seen;  // by rank
  double waited, deadline;        // seconds
  double wall;                    // seconds of the system clock
};

/// Error{temporary} for ended processes, Error{hang} for all else: one line that names rank, host,
/// process and section, and the cure.
Error error_of(const Accusation& accusation, const Scene& scene);

}  // namespace metaloom
