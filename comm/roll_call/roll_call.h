// The roll call of a world of processes: waiting for the others, until a deadline. Every rank sends
// notes (what it is doing, since when, how many operations it has begun) to the one that watches
// it. Ranks that wait keep sending, so that a wait that outlasts its deadline ends with a line that
// names who is silent, where, and in which section; the others wait a little longer, so that this
// line comes first. Processes of this host are also watched for their end. What is known stands in
// notes.h, who is at fault in verdict.h, the words in text.h.
// Knows no MPI: notes travel through a NoteChannel. Owned by a communicator, used by its thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "comm/roll_call/notes.h"
#include "comm/roll_call/peers.h"
#include "comm/roll_call/watchdog.h"
#include "core/clock.h"
#include "core/error.h"

namespace metaloom {

class RollCall {
 public:
  /// `peers` has one entry a rank; `deadline` (s) holds outside any section.
  RollCall(int rank, std::vector<Peer> peers, double deadline, Clock& clock, NoteChannel& channel,
           Watchdog& watchdog);

  /// This rank enters `section`, or leaves the last one (an empty name); tells who watches it.
  void enter(const std::string& section, double deadline);
  /// Counts an operation of all ranks; its number is what they wait for.
  std::int64_t begin() { return notes_.begin(); }
  /// Polls `done` until it is true. Throws Error{hang} when the section's deadline has passed,
  /// Error{temporary} when a process of the world has ended. After any error, so does every wait.
  void wait(std::int64_t operation, const std::function<bool()>& done);
  /// Whether a wait has failed: then nothing more can be expected of the world.
  bool broken() const { return broken_; }
  /// The line this process ends with: printed on stderr, unless it was the last one printed.
  /// Who watches this rank then knows that its end is explained.
  void say(const std::string& line);

 private:
  void serve(double waited, std::int64_t operation);
  [[noreturn]] void fail(const Error& error);

  int rank_;
  std::vector<Peer> peers_;
  Clock& clock_;
  Watchdog& watchdog_;
  Notes notes_;
  ProcessEnds ends_;
  std::int64_t spins_ = 0;
  double default_deadline_;
  double deadline_;  // of the present section
  // Of the present wait:
  double next_beat_ = 0, next_look_ = 0;  // seconds waited
  bool told_waiting_ = false, told_overdue_ = false;
  bool broken_ = false;
  std::string said_;
};

}  // namespace metaloom
