// Configurations of BERT and its relatives for the laws of backbones.
#include <fmt/format.h>

#include "core/registry.h"
#include "tests/models/backbone_example.h"

namespace metaloom::testing {
namespace {

/// BERT's keys, with `more` behind them; `extra` positions that no text has.
BackboneExample bert_keys(const Shape& shape, std::int64_t extra, const std::string& more) {
  return {fmt::format(
      R"({{"hidden_size":{},"num_hidden_layers":{},"num_attention_heads":{},"intermediate_size":{},)"
      R"("vocab_size":{},"max_position_embeddings":{},"hidden_act":"gelu","layer_norm_eps":1e-12{}}})",
      shape.heads * shape.depth, shape.layers, shape.heads, shape.inner, shape.vocabulary,
      shape.positions + extra, more)};
}

BackboneExample roberta(const Shape& shape) {
  return bert_keys(shape, 2, R"(,"type_vocab_size":1,"pad_token_id":1)");
}

const Register<BackboneExample> bert{
    "bert", "", [](const Shape& shape) { return bert_keys(shape, 0, R"(,"type_vocab_size":2)"); }};
const Register<BackboneExample> roberta_itself{"roberta", "", roberta};
const Register<BackboneExample> xlm_roberta{"xlm-roberta", "", roberta};
const Register<BackboneExample> camembert{"camembert", "", roberta};
const Register<BackboneExample> electra{
    "electra", "", [](const Shape& shape) {
      return bert_keys(shape, 0,
                       fmt::format(R"(,"type_vocab_size":2,"embedding_size":{})", shape.depth + 4));
    }};
const Register<BackboneExample> distilbert{
    "distilbert", "", [](const Shape& shape) {
      return BackboneExample{
          fmt::format(R"({{"dim":{},"n_layers":{},"n_heads":{},"hidden_dim":{},"vocab_size":{},)"
                      R"("max_position_embeddings":{},"activation":"gelu"}})",
                      shape.heads * shape.depth, shape.layers, shape.heads, shape.inner,
                      shape.vocabulary, shape.positions)};
    }};

}  // namespace
}  // namespace metaloom::testing
