#include "comm/roll_call/peers.h"

#include <limits.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace metaloom {

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

ProcessEnds::ProcessEnds(int rank, const std::vector<Peer>& peers) {
  const Peer& self = peers[rank];
  const auto near = [&](const Peer& peer) {
    return peer.host == self.host && peer.process_space == self.process_space;
  };
  const bool first = std::find_if(peers.begin(), peers.end(), near) - peers.begin() == rank;
  for (int other = 0; other < static_cast<int>(peers.size()); ++other) {
    if (other == rank || !near(peers[other]) || !(first || watches(rank, other))) continue;
    const auto pid = static_cast<pid_t>(peers[other].pid);
    const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (descriptor >= 0) open_.push_back({other, descriptor});
  }
}

ProcessEnds::~ProcessEnds() {
  for (const End& end : open_) ::close(end.descriptor);
}

std::vector<int> ProcessEnds::look() {
  std::vector<int> ended;
  std::erase_if(open_, [&](const End& end) {
    pollfd look = {end.descriptor, POLLIN, 0};
    if (::poll(&look, 1, 0) <= 0 || (look.revents & POLLIN) == 0) return false;
    ended.push_back(end.rank);
    ::close(end.descriptor);
    return true;
  });
  return ended;
}

}  // namespace metaloom
