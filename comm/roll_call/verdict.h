// The verdict of a wait that goes wrong: who is at fault. A pure function of what was heard of each
// rank, and when; no clock, no channel, no words.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "comm/roll_call/notes.h"

namespace metaloom {

/// What `rank`, which waits, knows. Times in seconds.
struct Hearing {
  int rank;
  const std::vector<Seen>& seen;  // by rank
  double now;                     // of the clock that Seen::heard is of
  std::int64_t operation;         // that it waits for
  std::int64_t overdue;           // that a peer is overdue in, 0 if none
  double waited, deadline;
};

struct Accusation {
  enum class Kind {
    ended,     // the processes of these ranks are gone, without a word
    silent,    // these have not come, or have fallen silent while they waited
    tangled,   // all wait, for different things or on a dead link
    outlasted  // nobody who could say more has spoken
  };
  Kind kind;
  std::vector<int> ranks;
  bool operator==(const Accusation&) const = default;
};

/// Seconds between two notes of a rank that waits.
double beat_of(double deadline);

/// Whether a wait is over: its deadline has passed, and some beats more. A verdict needs their
/// notes: who fell silent just now would not be seen yet.
bool is_late(double waited, double deadline);

/// Who is at fault, as soon as that is known; nobody while there is hope.
std::optional<Accusation> accuse(const Hearing& hearing);

}  // namespace metaloom
