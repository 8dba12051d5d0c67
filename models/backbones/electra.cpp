// ELECTRA (Clark et al. 2020): the discriminator's body, which is BERT's with embeddings of a width
// of their own. Its own head tells words that were replaced and is left out; a head of the
// generator's form can be trained with method = "mlm".
#include "core/registry.h"
#include "models/backbones/bert_like.h"

namespace metaloom {
namespace {

BertKind kind_of(const std::string& json) {
  const ModelConfig config(json);
  BertKind kind{.config = EncoderConfig::parse(config),
                .head = {"generator_predictions.dense", "generator_predictions.LayerNorm",
                         "generator_lm_head.bias", Activation::gelu},
                .head_decoder = "generator_lm_head",
                .tied = config.flag("tie_word_embeddings", true),
                .pooler = false,
                .framing = framing_of_bert(),
                .hub_prefix = "electra."};
  kind.body.embedding = config.positive("embedding_size", kind.config.geometry.width);
  return kind;
}

const Register<Backbone> here{
    "electra", "ELECTRA's discriminator as an encoder (Clark et al. 2020)",
    [](const std::string& config) { return std::make_unique<BertLike>(kind_of(config)); }};

}  // namespace
}  // namespace metaloom
