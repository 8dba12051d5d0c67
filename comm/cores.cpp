#include "comm/cores.h"

#include <sched.h>

#include <algorithm>

namespace metaloom {

std::string allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return "1";
  std::string out;
  for (int core = 0; core < CPU_SETSIZE; ++core) out += CPU_ISSET(core, &set) ? '1' : '0';
  out.erase(out.find_last_of('1') + 1);
  return out;
}

int fair_share(const std::vector<std::string>& allowed, int local_rank) {
  const std::string& mine = allowed[local_rank];
  const auto shared_with_me = [&](const std::string& other) {
    for (std::size_t core = 0; core < std::min(mine.size(), other.size()); ++core) {
      if (mine[core] == '1' && other[core] == '1') return true;
    }
    return false;
  };
  const auto cores = std::count(mine.begin(), mine.end(), '1');
  const auto sharing = std::count_if(allowed.begin(), allowed.end(), shared_with_me);
  return static_cast<int>(
      std::max<std::ptrdiff_t>(1, cores / std::max<std::ptrdiff_t>(1, sharing)));
}

}  // namespace metaloom
