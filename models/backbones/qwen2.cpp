// Qwen2 and Qwen2.5 (Yang et al. 2024): Llama with biases for queries, keys and values, and windows
// in its upper layers. Its texts begin with no special piece.
#include "core/registry.h"
#include "models/backbones/llama_like.h"

namespace metaloom {
namespace {

LlamaKind kind_of(const std::string& json) {
  const ModelConfig config(json);
  LlamaKind kind = LlamaKind::parse(config, {.key_heads = 32});
  kind.qkv_bias = true;
  kind.begins = false;
  kind.see_windows_of(config);
  return kind;
}

const Register<Backbone> here{
    "qwen2", "Qwen2 and Qwen2.5, causal language models (Yang et al. 2024)",
    [](const std::string& config) { return std::make_unique<LlamaLike>(kind_of(config)); }};

}  // namespace
}  // namespace metaloom
