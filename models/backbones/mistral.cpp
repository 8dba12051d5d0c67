// Mistral (Jiang et al. 2023): Llama whose layers see a window.
#include "core/registry.h"
#include "models/backbones/llama_like.h"

namespace metaloom {
namespace {

LlamaKind kind_of(const std::string& json) {
  const ModelConfig config(json);
  LlamaKind kind = LlamaKind::parse(config, {.key_heads = 8});
  config.require("layer_types", {}, "Only a Mistral whose layers are all alike is supported");
  if (!config.says("sliding_window") || config.has("sliding_window")) {
    kind.windows.assign(static_cast<std::size_t>(kind.geometry.layers),
                        config.positive("sliding_window", 4096));
  }
  return kind;
}

const Register<Backbone> here{
    "mistral", "Mistral, a causal language model (Jiang et al. 2023)",
    [](const std::string& config) { return std::make_unique<LlamaLike>(kind_of(config)); }};

}  // namespace
}  // namespace metaloom
