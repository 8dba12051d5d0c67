// The processors that a process may use, and its fair share of them.
#pragma once

#include <array>
#include <bitset>
#include <filesystem>
#include <vector>

#include "core/control_groups.h"

namespace metaloom {

/// What one process may use of its host's processors. Sent between ranks as bytes.
struct Processors {
  static constexpr std::size_t kMost = 1024;
  static constexpr std::size_t kMostQuotas = 16;
  std::bitset<kMost> allowed;                        // the cores it may run on
  std::array<ProcessorQuota, kMostQuotas> quotas{};  // of its control groups; group 0: none
  int threads = 0;                                   // as its environment says; 0: nothing
};

/// Those of this process: its affinity, its control groups (below `root`), and the variables that
/// tell OpenMP and MKL how many threads to use (OMP_NUM_THREADS and the like; the least counts).
Processors own_processors(const std::filesystem::path& root = "/");

/// Cores for one rank, given what each rank of its host may use: the cores of the rank, shared
/// evenly with every rank that may run on one of them; no more than its part of each quota, which
/// it shares with the ranks of the same control group, nor than its environment says. At least 1.
int fair_share(const std::vector<Processors>& ranks, int local_rank);

}  // namespace metaloom
