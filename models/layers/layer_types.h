// Which layers of a model look at a window alone, and which at the whole text: Hugging Face's key
// `layer_types`.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "models/layers/model_config.h"

namespace metaloom {

/// true for each layer that looks at a window; `otherwise` tells where the config has no
/// layer_types. Throws Error{data} on another number of layers, or another kind.
std::vector<bool> local_layers(const ModelConfig& config, std::int64_t layers,
                               const std::function<bool(std::int64_t layer)>& otherwise);

}  // namespace metaloom
