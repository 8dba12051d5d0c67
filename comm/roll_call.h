// The roll call of a world of processes. Every rank sends notes (what it is doing, since when, how
// many operations it has begun) to the one that watches it: rank 0 watches all, rank 1 watches
// rank 0. Ranks that wait keep sending, so that a wait that outlasts its deadline ends with a line
// that names who is silent, where, and in which section; the others wait a little longer, so that
// this line comes first. Processes of this host are also watched for their end.
// Knows no MPI: notes travel through a NoteChannel. Owned by a communicator, used by its thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "comm/watchdog.h"

namespace metaloom {

/// Sent as bytes, so all ranks must be of one architecture.
struct Note {
  enum Kind : std::int32_t { doing, waiting, overdue, gone, last_words };
  std::int32_t kind = doing;
  std::int32_t rank = 0;       // whom it is about
  std::int64_t begun = 0;      // operations begun so far
  std::int64_t operation = 0;  // the one waited for
  double since = 0;            // seconds of the system clock: when it entered the section
  char section[64] = {};
};

class NoteChannel {
 public:
  virtual ~NoteChannel() = default;
  /// Never blocks; a note that cannot be sent now may be dropped.
  virtual void send(int to, const Note& note) = 0;
  /// The next note that has come, if any.
  virtual bool receive(Note& note) = 0;
};

/// A process of the world. Two of one host and process space can see each other end.
struct Peer {
  std::string host;
  std::int64_t pid = 0;
  std::string process_space;
};

/// `in section "x" since 14:03:22, 31.0 s ago`; `since` in seconds of the system clock.
std::string describe_section(const std::string& section, double since);
/// The line of a watchdog about its own process.
std::string describe_stuck(int rank, const std::string& section, double seconds);
double system_seconds();
/// This process, as a Peer of others.
Peer this_process();

class RollCall {
 public:
  /// `peers` has one entry a rank; `deadline` (s) holds outside any section.
  RollCall(int rank, std::vector<Peer> peers, double deadline, NoteChannel& notes,
           Watchdog& watchdog);
  ~RollCall();
  RollCall(const RollCall&) = delete;
  RollCall& operator=(const RollCall&) = delete;

  /// This rank enters `section`, or leaves the last one (an empty name); tells who watches it.
  void enter(const std::string& section, double deadline);
  /// Counts an operation of all ranks; its number is what they wait for.
  std::int64_t begin() { return ++mine_.begun; }
  /// Polls `done` until it is true. Throws Error{hang} when the section's deadline has passed,
  /// Error{temporary} when a process of the world has ended. After any error, so does every wait.
  void wait(std::int64_t operation, const std::function<bool()>& done);
  /// Whether a wait has failed: then nothing more can be expected of the world.
  bool broken() const { return broken_; }
  /// The line this process ends with: printed on stderr, unless it was the last one printed.
  /// Who watches this rank then knows that its end is explained.
  void say(const std::string& line);
  const std::string& host() const { return peers_[rank_].host; }

 private:
  struct Seen {
    Note note;
    std::chrono::steady_clock::time_point heard;  // when the last note came
    bool gone = false, explained = false;         // its process has ended; it has said why
    int end_descriptor = -1;                      // of the process, readable once it has ended
  };

  void serve(double waited, std::int64_t operation);
  void hear();
  void look_for_the_dead();
  void tell(Note::Kind kind, std::int64_t operation);
  void name_the_gone();
  /// `final`: this rank's own deadline has passed, so that somebody must be named.
  void name_the_silent(std::int64_t operation, double waited, bool final);
  std::string list(const std::vector<int>& ranks) const;
  [[noreturn]] void fail(int fault, const std::string& line, const std::string& cure);
  bool watches(int other) const { return rank_ == 0 || (rank_ == 1 && other == 0); }
  int watcher_of(int other) const { return other == 0 ? 1 : 0; }
  double beat() const;
  double stale() const { return 4 * beat() + 0.2; }

  int rank_;
  std::vector<Peer> peers_;
  NoteChannel& notes_;
  Watchdog& watchdog_;
  std::vector<Seen> seen_;
  Note mine_;
  std::int64_t spins_ = 0;
  double default_deadline_;
  double deadline_;  // of the present section
  // Of the present wait:
  double next_beat_ = 0, next_look_ = 0;  // seconds waited
  std::int64_t overdue_ = 0;              // an operation whose deadline has passed for a peer
  bool told_waiting_ = false, told_overdue_ = false;
  bool broken_ = false;
  std::string said_;
};

}  // namespace metaloom
