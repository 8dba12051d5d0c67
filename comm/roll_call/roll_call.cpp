#include "comm/roll_call/roll_call.h"

#include <unistd.h>

#include <algorithm>

#include "comm/roll_call/text.h"
#include "comm/roll_call/verdict.h"
#include "core/log/log.h"

namespace metaloom {

namespace {

constexpr std::int64_t kSpins = 500;     // looks of a wait before the first yield, some 50 us
constexpr double kAwake = 1;             // seconds of a wait before it also sleeps
constexpr double kNap = 1e-4;            // seconds that it then sleeps
constexpr std::int64_t kUnwatched = 16;  // looks of a wait before the first at the clock
constexpr double kServe = 0.005;         // seconds between two looks at notes, in a wait
constexpr double kLook = 0.05;           // seconds between two looks for ended processes

}  // namespace

RollCall::RollCall(int rank, std::vector<Peer> peers, double deadline, Clock& clock,
                   NoteChannel& channel, Watchdog& watchdog)
    : rank_(rank),
      peers_(std::move(peers)),
      clock_(clock),
      watchdog_(watchdog),
      notes_(rank, static_cast<int>(peers_.size()), clock, channel),
      ends_(rank, peers_),
      default_deadline_(deadline),
      deadline_(deadline) {
  // With a core for each rank a yield only gives it away; without, a peer may be waiting for it.
  const auto ranks_here = std::count_if(peers_.begin(), peers_.end(), [&](const Peer& peer) {
    return peer.host == peers_[rank].host;
  });
  if (ranks_here <= ::sysconf(_SC_NPROCESSORS_ONLN)) spins_ = kSpins;
}

void RollCall::enter(const std::string& section, double deadline) {
  deadline_ = section.empty() ? default_deadline_ : deadline;
  notes_.enter(section);
  watchdog_.watch(section, deadline_);
  if (peers_.size() == 1 || broken_) return;
  notes_.tell(Note::doing, 0);
  notes_.hear();  // so that they do not pile up
}

void RollCall::wait(std::int64_t operation, const std::function<bool()>& done) {
  if (broken_) throw Error(Fault::hang, "this world has failed before", notes_.mine().section);
  RunningTime time(clock_);
  next_beat_ = std::min(beat_of(deadline_), 0.1);
  next_look_ = kLook;
  told_waiting_ = told_overdue_ = false;
  notes_.forget_overdue();
  double served = 0;
  try {
    for (std::int64_t looks = 1; !done(); ++looks) {
      if (looks > spins_) clock_.sleep(0);
      if (looks < kUnwatched) continue;
      // From here on look at the clock every time: on a crowded core each yield may take long.
      const double waited = time.seconds();
      if (waited > kAwake && looks % 64 == 0) clock_.sleep(kNap);
      if (waited < served + kServe) continue;
      served = waited;
      serve(waited, operation);
    }
    watchdog_.alive();
    if (told_waiting_) notes_.tell(Note::doing, 0);
  } catch (...) {
    broken_ = true;
    throw;
  }
}

// What a rank does between looks at what it waits for.
void RollCall::serve(double waited, std::int64_t operation) {
  watchdog_.alive();
  const bool alone = peers_.size() == 1;
  if (!alone && waited >= next_beat_) {
    notes_.tell(Note::waiting, operation);
    told_waiting_ = true;
    next_beat_ = waited + beat_of(deadline_);
  }
  if (waited >= next_look_) {
    for (const int other : ends_.look()) notes_.tell_ended(other);
    next_look_ = waited + kLook;
  }
  notes_.hear();  // after the look: last words come before the end
  const auto accusation =
      accuse({rank_, notes_.seen(), clock_.now(), operation, notes_.overdue(), waited, deadline_});
  if (accusation) {
    fail(error_of(*accusation,
                  {rank_, peers_, notes_.mine(), notes_.seen(), waited, deadline_, clock_.wall()}));
  }
  if (!alone && is_late(waited, deadline_) && !told_overdue_) {
    notes_.tell(Note::overdue, operation);
    told_overdue_ = true;
  }
}

void RollCall::fail(const Error& error) {
  say(error.what());
  throw error;
}

void RollCall::say(const std::string& line) {
  if (line == said_ && !line.empty()) return;
  said_ = line;
  if (peers_.size() > 1) notes_.tell(Note::last_words, 0);
  if (!line.empty()) metaloom::say("metaloom: error: " + line + '\n');
}

}  // namespace metaloom
