// The processor cores that a process is bound to, and its fair share of them.
#pragma once

#include <string>
#include <vector>

namespace metaloom {

/// One character a core of the host: '1' where this process may run on it.
std::string allowed_cores();

/// Cores for one rank, given the allowed cores of all ranks of its host: those of the rank, shared
/// evenly with every rank that may run on one of them. At least 1.
int fair_share(const std::vector<std::string>& allowed, int local_rank);

}  // namespace metaloom
