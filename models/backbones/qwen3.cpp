// Qwen3 (Yang et al. 2025): Llama with an RMSNorm for each head's queries and keys. Its texts begin
// with no special piece.
#include "core/registry.h"
#include "models/backbones/llama_like.h"

namespace metaloom {
namespace {

LlamaKind kind_of(const std::string& json) {
  const ModelConfig config(json);
  LlamaKind kind = LlamaKind::parse(config, {.key_heads = 32, .depth = 128});
  kind.qkv_bias = kind.attended_bias = config.flag("attention_bias", false);
  kind.head_norms = true;
  kind.begins = false;
  kind.see_windows_of(config);
  return kind;
}

const Register<Backbone> here{
    "qwen3", "Qwen3, a causal language model (Yang et al. 2025)",
    [](const std::string& config) { return std::make_unique<LlamaLike>(kind_of(config)); }};

}  // namespace
}  // namespace metaloom
