// BERT (Devlin et al. 2019) with Hugging Face's parameter names. Parity with transformers:
// tests/golden/backbone_parity_test.py.
#include "core/registry.h"
#include "models/backbones/bert_like.h"

namespace metaloom {
namespace {

const std::string kHead = "cls.predictions.";

BertKind kind_of(const std::string& json) {
  const ModelConfig config(json);
  return {.config = EncoderConfig::parse(config),
          .head = {kHead + "transform.dense", kHead + "transform.LayerNorm", kHead + "bias"},
          .head_decoder = kHead + "decoder",
          .tied = config.flag("tie_word_embeddings", true),
          .framing = framing_of_bert(),
          .hub_prefix = "bert."};
}

const Register<Backbone> here{
    "bert", "BERT encoder with an optional pooler and MLM head (Devlin et al. 2019)",
    [](const std::string& config) { return std::make_unique<BertLike>(kind_of(config)); }};

}  // namespace
}  // namespace metaloom
