// BERT (Devlin et al. 2019) with Hugging Face's parameter names. Parity with transformers:
// tests/golden/backbone_parity_test.py.
#include "core/registry.h"
#include "models/backbones/bert_like.h"

namespace metaloom {
namespace {

const std::string kHead = "cls.predictions.";

const Register<Backbone> here{
    "bert", "BERT encoder with an optional pooler and MLM head (Devlin et al. 2019)",
    [](const std::string& config) {
      return std::make_unique<BertLike>(BertKind{
          .config = EncoderConfig::parse(ModelConfig(config)),
          .head = {kHead + "transform.dense", kHead + "transform.LayerNorm", kHead + "bias"},
          .head_decoder = kHead + "decoder",
          .framing = framing_of_bert(),
          .hub_prefix = "bert."});
    }};

}  // namespace
}  // namespace metaloom
