// Where a rank stands in its world: one value, told once when the world is joined.
#pragma once

#include <string>

namespace metaloom {

struct Place {
  int rank = 0, size = 1;              // among all ranks
  int local_rank = 0, local_size = 1;  // among the ranks of this host: for memory and for GPUs
  std::string host;
  /// Cores for this rank's threads: those it is bound to, shared with the ranks bound to the same
  /// ones, within the quotas of control groups and what OMP_NUM_THREADS says. One number for all
  /// ranks: another number of threads sums in another order.
  int cores = 1;
};

}  // namespace metaloom
