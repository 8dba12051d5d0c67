// Llama, 1 to 3 (Touvron et al. 2023; Grattafiori et al. 2024). Parity with transformers:
// tests/golden/backbone_parity_test.py.
#include "core/registry.h"
#include "models/backbones/llama_like.h"

namespace metaloom {
namespace {

LlamaKind kind_of(const std::string& json) {
  const ModelConfig config(json);
  LlamaKind kind = LlamaKind::parse(config, {});
  kind.qkv_bias = kind.attended_bias = config.flag("attention_bias", false);
  kind.mlp_bias = config.flag("mlp_bias", false);
  return kind;
}

const Register<Backbone> here{
    "llama", "Llama, a causal language model (Touvron et al. 2023)",
    [](const std::string& config) { return std::make_unique<LlamaLike>(kind_of(config)); }};

}  // namespace
}  // namespace metaloom
