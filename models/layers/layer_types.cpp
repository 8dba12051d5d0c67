#include "models/layers/layer_types.h"

#include <string>

#include "core/spelling.h"

namespace metaloom {
namespace {

const char* const kKey = "layer_types";

bool is_local(const Json& kind) {
  if (kind == "sliding_attention") return true;
  if (kind == "full_attention") return false;
  ModelConfig::refuse("layer_types has " + kind.dump(),
                      did_you_mean(kind.is_string() ? kind.get<std::string>() : kind.dump(),
                                   {"full_attention", "sliding_attention"}));
}

}  // namespace

std::vector<bool> local_layers(const ModelConfig& config, std::int64_t layers,
                               const std::function<bool(std::int64_t layer)>& otherwise) {
  std::vector<bool> out;
  if (!config.has(kKey)) {
    for (std::int64_t n = 0; n < layers; ++n) out.push_back(otherwise(n));
    return out;
  }
  const Json& kinds = config.at(kKey);
  if (!kinds.is_array() || static_cast<std::int64_t>(kinds.size()) != layers) {
    ModelConfig::refuse("layer_types is no list of " + std::to_string(layers) + " layers",
                        "Correct the configuration");
  }
  for (const Json& kind : kinds) out.push_back(is_local(kind));
  return out;
}

}  // namespace metaloom
