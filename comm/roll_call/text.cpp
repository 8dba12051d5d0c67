#include "comm/roll_call/text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

namespace metaloom {

namespace {

constexpr std::size_t kNamed = 4;  // silent ranks named one by one

std::string list(const std::vector<int>& ranks, const Scene& scene) {
  std::string out;
  for (std::size_t i = 0; i < std::min(ranks.size(), kNamed); ++i) {
    const Peer& peer = scene.peers[ranks[i]];
    const Note& note = scene.seen[ranks[i]].note;
    out += fmt::format("{}rank {} ({}, pid {}) was last {}", i == 0 ? "" : ", ", ranks[i],
                       peer.host, peer.pid, describe_section(note.section, note.since, scene.wall));
  }
  if (ranks.size() > kNamed) out += fmt::format(" and {} more", ranks.size() - kNamed);
  return out;
}

}  // namespace

std::string describe_section(const std::string& section, double since, double now) {
  const auto entered = static_cast<std::time_t>(since);
  std::tm local = {};
  localtime_r(&entered, &local);
  const std::string where =
      section.empty() ? "outside any section" : "in section \"" + section + '"';
  return fmt::format("{} since {:%H:%M:%S}, {:.1f} s ago", where, local,
                     std::max(0.0, now - since));
}

std::string describe_stuck(int rank, const Peer& self, const std::string& section, double seconds) {
  return fmt::format(
      "metaloom: error: rank {} ({}, pid {}) is stuck: nothing has happened for "
      "{:g} s in section \"{}\". Where the work is only slow, raise comm.deadline.",
      rank, self.host, self.pid, seconds, section);
}

Error error_of(const Accusation& accusation, const Scene& scene) {
  const std::string named = list(accusation.ranks, scene);
  if (accusation.kind == Accusation::Kind::ended) {
    return {
        Fault::temporary, named + "; its process has ended", "",
        "Its node's log says why (memory, a signal); the run resumes from its last checkpoint."};
  }
  if (accusation.kind == Accusation::Kind::outlasted) {
    std::string line =
        fmt::format("rank {} ({}) has waited {:.1f} s for the others, {}", scene.rank,
                    scene.peers[scene.rank].host, scene.waited,
                    describe_section(scene.mine.section, scene.mine.since, scene.wall));
    if (!named.empty()) line += "; " + named;
    return {Fault::hang, line, "", "The line of another rank says who is silent."};
  }
  const char* what = accusation.kind == Accusation::Kind::silent
                         ? "silent"
                         : "all ranks wait, for different things or on a dead link";
  return {Fault::hang,
          fmt::format("{}: {}; rank {} has waited {:.1f} s in section \"{}\" (deadline {:g} s)",
                      what, named, scene.rank, scene.waited, scene.mine.section, scene.deadline),
          "",
          "Look at that process and its node; where the work is only slow, raise comm.deadline."};
}

}  // namespace metaloom
