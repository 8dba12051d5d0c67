#include "comm/roll_call/verdict.h"

#include <algorithm>

#include "comm/roll_call/peers.h"

namespace metaloom {

namespace {

// Seconds after which who waits and sends no note is silent.
double stale_after(double deadline) {
  return 4 * beat_of(deadline) + 0.2;
}

template <class Is>
std::vector<int> watched_that(const Hearing& hearing, const Is& is) {
  std::vector<int> out;
  for (int other = 0; other < static_cast<int>(hearing.seen.size()); ++other) {
    if (watches(hearing.rank, other) && is(hearing.seen[other])) out.push_back(other);
  }
  std::erase(out, hearing.rank);
  return out;
}

// `final`: this rank's own deadline has passed, so that somebody must be named.
std::optional<Accusation> accuse_silent(const Hearing& hearing, std::int64_t operation,
                                        bool final) {
  const auto waits = [](const Seen& peer) {
    return peer.note.kind == Note::waiting || peer.note.kind == Note::overdue;
  };
  const std::vector<int> silent = watched_that(hearing, [&](const Seen& peer) {
    const double age = hearing.now - peer.heard;
    return peer.note.begun < operation || (waits(peer) && age > stale_after(hearing.deadline));
  });
  if (!silent.empty()) return Accusation{Accusation::Kind::silent, silent};
  // Rank 1 answers for rank 0 only; where that one is not silent, it has the verdict.
  if (hearing.rank != 0 || !final) return std::nullopt;
  const std::vector<int> elsewhere =
      watched_that(hearing, [&](const Seen& peer) { return !waits(peer); });
  if (!elsewhere.empty()) return Accusation{Accusation::Kind::silent, elsewhere};
  return Accusation{Accusation::Kind::tangled,
                    watched_that(hearing, [](const Seen&) { return true; })};
}

}  // namespace

double beat_of(double deadline) {
  return std::clamp(deadline / 10, 0.02, 1.0);
}

bool is_late(double waited, double deadline) {
  return waited > deadline + stale_after(deadline);
}

std::optional<Accusation> accuse(const Hearing& hearing) {
  const std::vector<int> gone =
      watched_that(hearing, [](const Seen& peer) { return peer.gone && !peer.explained; });
  if (!gone.empty()) return Accusation{Accusation::Kind::ended, gone};
  const bool late = is_late(hearing.waited, hearing.deadline);
  if (late || hearing.overdue > 0) {
    auto silent =
        accuse_silent(hearing, late ? hearing.operation : hearing.overdue, /*final=*/late);
    if (silent) return silent;
  }
  if (hearing.waited <= hearing.deadline + 2 * stale_after(hearing.deadline) + 2) {
    return std::nullopt;
  }
  return Accusation{Accusation::Kind::outlasted,
                    hearing.rank == 1 ? std::vector<int>{0} : std::vector<int>{}};
}

}  // namespace metaloom
