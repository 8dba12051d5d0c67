// What the packs of an update cost: the same numbers for the balance of ranks, for `plan` and for
// the check that an update can be held.
#pragma once

#include <vector>

#include "comm/communicator.h"
#include "methods/method.h"
#include "sampler/mix/mix.h"

namespace metaloom {

/// Per pack, from the shapes of its tasks alone: nothing is drawn.
std::vector<Cost> costs_of(const Method& method, const Mix& mix, const std::vector<Pack>& packs);

/// The same for all ranks (collective). An update of many tasks is cut into as many parts as there
/// are ranks: each rank works out the costs of its own part and is told the others', so that
/// working out costs does not grow with the world.
std::vector<Cost> costs_of(Communicator& comm, const Method& method, const Mix& mix,
                           const std::vector<Pack>& packs);

/// Which packs each of `ranks` ranks computes, balanced by FLOPs.
std::vector<std::vector<std::size_t>> shares_of(const std::vector<Cost>& costs, int ranks);

}  // namespace metaloom
