// Which GPU each rank uses, told to the others as JSON text: no two ranks may share one.
#pragma once

#include <string>
#include <vector>

#include "comm/place.h"

namespace metaloom {

/// What a rank tells the others of its GPU, or of why it has none.
std::string describe_gpu(const Place& place);

/// The first rank without a GPU, and why; empty where every rank has one. `told`: by rank.
std::string missing_gpu(const std::vector<std::string>& told);
/// The first two ranks that share a GPU; empty where none do.
std::string shared_gpu(const std::vector<std::string>& told);

}  // namespace metaloom
