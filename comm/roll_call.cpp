#include "comm/roll_call.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <thread>

#include "core/error.h"
#include "core/log/log.h"

namespace metaloom {

namespace {

constexpr std::int64_t kSpins = 500;     // looks of a wait before the first yield, some 50 us
constexpr double kAwake = 1;             // seconds of a wait before it also sleeps
constexpr std::int64_t kUnwatched = 16;  // looks of a wait before the first at the clock
constexpr double kServe = 0.005;         // seconds between two looks at notes, in a wait
constexpr double kLook = 0.05;           // seconds between two looks for ended processes
constexpr std::size_t kNamed = 4;        // silent ranks named one by one

}  // namespace

double system_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string describe_section(const std::string& section, double since) {
  const auto entered = static_cast<std::time_t>(since);
  std::tm local = {};
  localtime_r(&entered, &local);
  const std::string where =
      section.empty() ? "outside any section" : "in section \"" + section + '"';
  return fmt::format("{} since {:%H:%M:%S}, {:.1f} s ago", where, local,
                     std::max(0.0, system_seconds() - since));
}

std::string describe_stuck(int rank, const std::string& section, double seconds) {
  const Peer self = this_process();
  return fmt::format(
      "metaloom: error: rank {} ({}, pid {}) is stuck: nothing has happened for "
      "{:g} s in section \"{}\". Where the work is only slow, raise comm.deadline.",
      rank, self.host, self.pid, seconds, section);
}

Peer this_process() {
  Peer self;
  char text[HOST_NAME_MAX + 1] = {};
  ::gethostname(text, HOST_NAME_MAX);
  self.host = text;
  self.pid = ::getpid();
  char space[64] = {};
  if (::readlink("/proc/self/ns/pid", space, sizeof space - 1) > 0) self.process_space = space;
  return self;
}

RollCall::RollCall(int rank, std::vector<Peer> peers, double deadline, NoteChannel& notes,
                   Watchdog& watchdog)
    : rank_(rank),
      peers_(std::move(peers)),
      notes_(notes),
      watchdog_(watchdog),
      seen_(peers_.size()),
      default_deadline_(deadline),
      deadline_(deadline) {
  mine_.rank = rank;
  mine_.since = system_seconds();
  const Peer& self = peers_[rank];
  const auto near = [&](const Peer& peer) {
    return peer.host == self.host && peer.process_space == self.process_space;
  };
  // With a core for each rank a yield only gives it away; without, a peer may be waiting for it.
  const auto ranks_here = std::count_if(peers_.begin(), peers_.end(),
                                        [&](const Peer& peer) { return peer.host == self.host; });
  if (ranks_here <= ::sysconf(_SC_NPROCESSORS_ONLN)) spins_ = kSpins;
  // The first rank of a host looks after it, and whoever watches a rank, where it can.
  const bool first = std::find_if(peers_.begin(), peers_.end(), near) - peers_.begin() == rank;
  for (int other = 0; other < static_cast<int>(peers_.size()); ++other) {
    seen_[other].note.since = mine_.since;
    seen_[other].note.rank = other;
    if (other == rank || !near(peers_[other]) || !(first || watches(other))) continue;
    seen_[other].end_descriptor =
        static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(peers_[other].pid), 0));
  }
}

RollCall::~RollCall() {
  for (const Seen& peer : seen_) {
    if (peer.end_descriptor >= 0) ::close(peer.end_descriptor);
  }
}

void RollCall::enter(const std::string& section, double deadline) {
  deadline_ = section.empty() ? default_deadline_ : deadline;
  mine_.since = system_seconds();
  std::memset(mine_.section, 0, sizeof mine_.section);
  section.copy(mine_.section, sizeof mine_.section - 1);
  watchdog_.watch(section, deadline_);
  if (peers_.size() == 1 || broken_) return;
  tell(Note::doing, 0);
  hear();  // so that they do not pile up
}

void RollCall::wait(std::int64_t operation, const std::function<bool()>& done) {
  if (broken_) throw Error(Fault::hang, "this world has failed before", mine_.section);
  RunningTime clock;
  next_beat_ = std::min(beat(), 0.1);
  next_look_ = kLook;
  told_waiting_ = told_overdue_ = false;
  overdue_ = 0;
  double served = 0;
  try {
    for (std::int64_t looks = 1; !done(); ++looks) {
      if (looks > spins_) ::sched_yield();
      if (looks < kUnwatched) continue;
      // From here on look at the clock every time: on a crowded core each yield may take long.
      const double waited = clock.seconds();
      if (waited > kAwake && looks % 64 == 0) {
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      }
      if (waited < served + kServe) continue;
      served = waited;
      serve(waited, operation);
    }
    watchdog_.alive();
    if (told_waiting_) tell(Note::doing, 0);
  } catch (...) {
    broken_ = true;
    throw;
  }
}

// What a rank does between looks at what it waits for.
void RollCall::serve(double waited, std::int64_t operation) {
  watchdog_.alive();
  if (peers_.size() > 1 && waited >= next_beat_) {
    tell(Note::waiting, operation);
    told_waiting_ = true;
    next_beat_ = waited + beat();
  }
  if (waited >= next_look_) {
    look_for_the_dead();
    next_look_ = waited + kLook;
  }
  hear();  // after the look: last words come before the end
  name_the_gone();
  // A verdict needs the notes of some beats: who fell silent just now would not be seen yet.
  const bool late = waited > deadline_ + stale();
  if (late) {
    name_the_silent(operation, waited, true);
  } else if (overdue_ > 0) {
    name_the_silent(overdue_, waited, false);
  }
  if (late && !told_overdue_ && peers_.size() > 1) {
    tell(Note::overdue, operation);
    told_overdue_ = true;
  }
  if (waited <= deadline_ + 2 * stale() + 2) return;
  const std::string here = describe_section(mine_.section, mine_.since);
  std::string line = fmt::format("rank {} ({}) has waited {:.1f} s for the others, {}", rank_,
                                 host(), waited, here);
  if (rank_ == 1) line += "; " + list({0});
  fail(static_cast<int>(Fault::hang), line, "The line of another rank says who is silent.");
}

void RollCall::hear() {
  for (Note note; notes_.receive(note);) {
    if (note.rank < 0 || note.rank >= static_cast<int>(seen_.size())) continue;
    Seen& peer = seen_[note.rank];
    if (note.kind == Note::gone) {
      peer.gone = true;
      continue;
    }
    if (note.kind == Note::last_words) peer.explained = true;
    if (note.kind == Note::overdue) overdue_ = std::max(overdue_, note.operation);
    peer.note = note;
    peer.heard = std::chrono::steady_clock::now();
  }
}

void RollCall::look_for_the_dead() {
  for (int other = 0; other < static_cast<int>(seen_.size()); ++other) {
    Seen& peer = seen_[other];
    if (peer.end_descriptor < 0 || peer.gone) continue;
    pollfd look = {peer.end_descriptor, POLLIN, 0};
    if (::poll(&look, 1, 0) <= 0 || (look.revents & POLLIN) == 0) continue;
    peer.gone = true;
    if (watches(other)) continue;
    Note note = mine_;
    note.kind = Note::gone;
    note.rank = other;
    notes_.send(watcher_of(other), note);
  }
}

void RollCall::tell(Note::Kind kind, std::int64_t operation) {
  mine_.kind = kind;
  mine_.operation = operation;
  notes_.send(watcher_of(rank_), mine_);
}

void RollCall::name_the_gone() {
  std::vector<int> gone;
  for (int other = 0; other < static_cast<int>(seen_.size()); ++other) {
    if (seen_[other].gone && !seen_[other].explained && watches(other)) gone.push_back(other);
  }
  if (gone.empty()) return;
  fail(static_cast<int>(Fault::temporary), list(gone) + "; its process has ended",
       "Its node's log says why (memory, a signal); the run resumes from its last checkpoint.");
}

void RollCall::name_the_silent(std::int64_t operation, double waited, bool final) {
  const auto now = std::chrono::steady_clock::now();
  std::vector<int> silent, elsewhere, all;
  for (int other = 0; other < static_cast<int>(seen_.size()); ++other) {
    if (other == rank_ || !watches(other)) continue;
    const Seen& peer = seen_[other];
    const std::chrono::duration<double> age = now - peer.heard;
    const bool waits = peer.note.kind == Note::waiting || peer.note.kind == Note::overdue;
    all.push_back(other);
    if (!waits) elsewhere.push_back(other);
    if (peer.note.begun < operation || (waits && age.count() > stale())) silent.push_back(other);
  }
  // Rank 1 answers for rank 0 only; where that one is not silent, it has the verdict.
  if (silent.empty() && (rank_ != 0 || !final)) return;
  const std::string here = fmt::format(
      "rank {} has waited {:.1f} s in section \"{}\" (deadline "
      "{:g} s)",
      rank_, waited, mine_.section, deadline_);
  const char* cure =
      "Look at that process and its node; where the work is only slow, raise comm.deadline.";
  const auto& named = silent.empty() ? elsewhere : silent;
  if (!named.empty()) {
    fail(static_cast<int>(Fault::hang), fmt::format("silent: {}; {}", list(named), here), cure);
  }
  fail(static_cast<int>(Fault::hang),
       fmt::format("all ranks wait, for different things or on a dead link: {}; {}", list(all),
                   here),
       cure);
}

std::string RollCall::list(const std::vector<int>& ranks) const {
  std::string out;
  for (std::size_t i = 0; i < std::min(ranks.size(), kNamed); ++i) {
    const Peer& peer = peers_[ranks[i]];
    const Note& note = seen_[ranks[i]].note;
    out += fmt::format("{}rank {} ({}, pid {}) was last {}", i == 0 ? "" : ", ", ranks[i],
                       peer.host, peer.pid, describe_section(note.section, note.since));
  }
  if (ranks.size() > kNamed) out += fmt::format(" and {} more", ranks.size() - kNamed);
  return out;
}

void RollCall::fail(int fault, const std::string& line, const std::string& cure) {
  const Error error(static_cast<Fault>(fault), line, "", cure);
  say(error.what());
  throw error;
}

void RollCall::say(const std::string& line) {
  if (line == said_ && !line.empty()) return;
  said_ = line;
  if (peers_.size() > 1) tell(Note::last_words, 0);
  if (!line.empty()) metaloom::say("metaloom: error: " + line + '\n');
}

double RollCall::beat() const {
  return std::clamp(deadline_ / 10, 0.02, 1.0);
}

}  // namespace metaloom
