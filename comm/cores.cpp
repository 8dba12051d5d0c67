#include "comm/cores.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>

namespace metaloom {
namespace {

/// The number that OMP_NUM_THREADS starts with (a list has one for each level); 0: none.
int threads_said() {
  int least = 0;
  for (const char* name : {"OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "MKL_NUM_THREADS"}) {
    const char* text = std::getenv(name);
    const int said = text == nullptr ? 0 : std::atoi(text);
    if (said > 0) least = least == 0 ? said : std::min(least, said);
  }
  return least;
}

bool is_under(const Processors& rank, std::uint64_t group) {
  return std::any_of(rank.quotas.begin(), rank.quotas.end(),
                     [&](const ProcessorQuota& quota) { return quota.group == group; });
}

}  // namespace

Processors own_processors(const std::filesystem::path& root) {
  Processors out;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) CPU_SET(0, &set);
  for (std::size_t core = 0; core < Processors::kMost; ++core) {
    out.allowed[core] = CPU_ISSET(core, &set) != 0;
  }
  const std::vector<ProcessorQuota> quotas = processor_quotas(root);
  std::copy_n(quotas.begin(), std::min(quotas.size(), out.quotas.size()), out.quotas.begin());
  out.threads = threads_said();
  return out;
}

int fair_share(const std::vector<Processors>& ranks, int local_rank) {
  const Processors& mine = ranks[local_rank];
  const auto sharing = std::count_if(ranks.begin(), ranks.end(), [&](const Processors& other) {
    return (mine.allowed & other.allowed).any();
  });
  double share = static_cast<double>(mine.allowed.count()) /
                 static_cast<double>(std::max<std::ptrdiff_t>(1, sharing));
  for (const ProcessorQuota& quota : mine.quotas) {
    if (quota.group == 0) continue;
    const auto under = std::count_if(ranks.begin(), ranks.end(), [&](const Processors& other) {
      return is_under(other, quota.group);
    });
    share = std::min(share, quota.processors / static_cast<double>(under));
  }
  if (mine.threads > 0) share = std::min<double>(share, mine.threads);
  return std::max(1, static_cast<int>(share));
}

}  // namespace metaloom
