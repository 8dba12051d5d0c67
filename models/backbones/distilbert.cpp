// DistilBERT (Sanh et al. 2019): BERT with half the layers, no token types and no pooler.
#include "core/registry.h"
#include "models/backbones/bert_like.h"

namespace metaloom {
namespace {

BertKind kind_of(const std::string& json) {
  const ModelConfig config(json);
  BertKind kind{.head = {"vocab_transform", "vocab_layer_norm", "vocab_projector.bias"},
                .head_decoder = "vocab_projector",
                .tied = config.flag("tie_word_embeddings", true),
                .pooler = false,
                .framing = framing_of_bert(),
                .hub_prefix = "distilbert."};
  kind.framing.types = false;
  kind.config.geometry = {.width = config.positive("dim"),
                          .layers = config.positive("n_layers"),
                          .heads = config.positive("n_heads"),
                          .inner = config.positive("hidden_dim"),
                          .vocabulary = config.positive("vocab_size"),
                          .positions = config.positive("max_position_embeddings")};
  kind.config.types = 0;
  kind.config.layer = {.heads = kind.config.geometry.heads,
                       .epsilon = 1e-12,
                       .activation = config.activation("activation")};
  config.require_divides("dim", kind.config.geometry.width, "n_heads", kind.config.geometry.heads);
  kind.body.layers = "transformer.layer.";
  kind.body.layer = {.query = "attention.q_lin",
                     .key = "attention.k_lin",
                     .value = "attention.v_lin",
                     .attended = "attention.out_lin",
                     .attended_norm = "sa_layer_norm",
                     .inner = "ffn.lin1",
                     .outer = "ffn.lin2",
                     .outer_norm = "output_layer_norm"};
  return kind;
}

const Register<Backbone> here{
    "distilbert", "DistilBERT encoder with an optional MLM head (Sanh et al. 2019)",
    [](const std::string& config) { return std::make_unique<BertLike>(kind_of(config)); }};

}  // namespace
}  // namespace metaloom
