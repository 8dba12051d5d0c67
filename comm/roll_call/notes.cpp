#include "comm/roll_call/notes.h"

#include <algorithm>
#include <cstring>

#include "comm/roll_call/peers.h"

namespace metaloom {

Notes::Notes(int rank, int size, Clock& clock, NoteChannel& channel)
    : clock_(clock), channel_(channel), seen_(size) {
  mine_.rank = rank;
  mine_.since = clock.wall();
  for (int other = 0; other < size; ++other) {
    seen_[other].note.since = mine_.since;
    seen_[other].note.rank = other;
  }
}

void Notes::enter(const std::string& section) {
  mine_.since = clock_.wall();
  std::memset(mine_.section, 0, sizeof mine_.section);
  section.copy(mine_.section, sizeof mine_.section - 1);
}

void Notes::tell(Note::Kind kind, std::int64_t operation) {
  mine_.kind = kind;
  mine_.operation = operation;
  channel_.send(watcher_of(mine_.rank), mine_);
}

void Notes::tell_ended(int other) {
  seen_[other].gone = true;
  if (watches(mine_.rank, other)) return;
  Note note = mine_;
  note.kind = Note::gone;
  note.rank = other;
  channel_.send(watcher_of(other), note);
}

void Notes::hear() {
  for (Note note; channel_.receive(note);) {
    if (note.rank < 0 || note.rank >= static_cast<int>(seen_.size())) continue;
    Seen& peer = seen_[note.rank];
    if (note.kind == Note::gone) {
      peer.gone = true;
      continue;
    }
    if (note.kind == Note::last_words) peer.explained = true;
    if (note.kind == Note::overdue) overdue_ = std::max(overdue_, note.operation);
    peer.note = note;
    peer.heard = clock_.now();
  }
}

}  // namespace metaloom
