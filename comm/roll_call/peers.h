// The processes of a world: where each is, and whether those of this host still live.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace metaloom {

/// A process of the world. Two of one host and process space can see each other end.
struct Peer {
  std::string host;
  std::int64_t pid = 0;
  std::string process_space;
};

/// This process, as a Peer of others.
Peer this_process();

/// Rank 0 watches all, rank 1 watches rank 0: who gets a rank's notes, and gives the verdict.
inline bool watches(int rank, int other) {
  return rank == 0 || (rank == 1 && other == 0);
}
inline int watcher_of(int other) {
  return other == 0 ? 1 : 0;
}

/// The processes whose end `rank` looks out for: those of its host that it watches; the first rank
/// of a host looks after all of it, for the others may have their watcher elsewhere. Owns a
/// descriptor of each.
class ProcessEnds {
 public:
  ProcessEnds(int rank, const std::vector<Peer>& peers);
  ~ProcessEnds();
  ProcessEnds(const ProcessEnds&) = delete;
  ProcessEnds& operator=(const ProcessEnds&) = delete;

  /// The ranks that have ended since the last look.
  std::vector<int> look();

 private:
  struct End {
    int rank;
    int descriptor;  // readable once the process has ended
  };
  std::vector<End> open_;
};

}  // namespace metaloom
