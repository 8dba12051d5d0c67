// Worlds for the laws: ranks as threads for "local"; for a backend whose ranks are processes, the
// world that mpirun started this program in (METALOOM_LAW_BACKEND names the backend).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "comm/communicator.h"

namespace metaloom {

struct WorldKind {
  std::string backend;
  int size = 1;
};

/// The worlds that can be had in this process.
std::vector<WorldKind> worlds_here();

/// Runs `rank_main` on every rank of such a world.
void run_world(const WorldKind& kind, const std::function<void(Communicator&)>& rank_main);

/// Where the data of `comm`'s collectives lies in a world of this kind.
at::Device data_device(const WorldKind& kind, const Communicator& comm);

}  // namespace metaloom
