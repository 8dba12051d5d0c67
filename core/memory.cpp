#include "core/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "core/control_groups.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace metaloom {

void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
#endif
}

Memory memory_of_this_place(int processes, const std::filesystem::path& root) {
  Memory out{
      static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE)),
      "this host has"};
  const auto at_most = [&](double bytes, const char* of) {
    if (bytes < out.bytes) out = {bytes, of};
  };
  at_most(control_group_memory(root), "its control group (memory.max) allows");
  const auto each_at_most = [&](auto resource, const char* of) {
    rlimit limit = {};
    if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
    at_most(static_cast<double>(limit.rlim_cur) * processes, of);
  };
  each_at_most(RLIMIT_AS, "its limit (ulimit -v) allows");
  each_at_most(RLIMIT_DATA, "its limit (ulimit -d) allows");
  return out;
}

}  // namespace metaloom
