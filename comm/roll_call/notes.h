// Notes: what each rank of a world is doing, as far as this one knows. Every rank sends its own to
// the one that watches it (comm/roll_call/peers.h), which keeps the last one of each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/clock.h"

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

/// How notes travel.
class NoteChannel {
 public:
  virtual ~NoteChannel() = default;
  /// Never blocks; a note that cannot be sent now may be dropped.
  virtual void send(int to, const Note& note) = 0;
  /// The next note that has come, if any.
  virtual bool receive(Note& note) = 0;
};

/// What is known of a rank.
struct Seen {
  Note note;
  double heard = 0;        // when its last note came, by now() of this rank's clock
  bool gone = false;       // its process has ended
  bool explained = false;  // it has said why
};

class Notes {
 public:
  /// Of `rank` in a world of `size`; clock and channel outlive it.
  Notes(int rank, int size, Clock& clock, NoteChannel& channel);

  /// This rank enters `section`; longer names are cut. Tells nobody yet.
  void enter(const std::string& section);
  /// Counts an operation of all ranks.
  std::int64_t begin() { return ++mine_.begun; }
  /// Sends this rank's note to who watches it.
  void tell(Note::Kind kind, std::int64_t operation);
  /// Keeps that the process of `other` has ended, and passes it on to who watches it.
  void tell_ended(int other);
  /// Takes in what has come.
  void hear();

  const Note& mine() const { return mine_; }
  const std::vector<Seen>& seen() const { return seen_; }  // by rank; this one's own says nothing
  /// The last operation that a peer was told to be overdue in since `forget_overdue`, 0 if none.
  std::int64_t overdue() const { return overdue_; }
  void forget_overdue() { overdue_ = 0; }

 private:
  Clock& clock_;
  NoteChannel& channel_;
  Note mine_;
  std::vector<Seen> seen_;
  std::int64_t overdue_ = 0;
};

}  // namespace metaloom
