// Configurations of BERT and its relatives for the laws of backbones.
#include <fmt/format.h>
#include <gtest/gtest.h>

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

BackboneExample roberta(const Shape& shape, const std::string& more = "") {
  return bert_keys(shape, 2, R"(,"type_vocab_size":1,"pad_token_id":1)" + more);
}

const Register<BackboneExample> bert{
    "bert", "", [](const Shape& shape) { return bert_keys(shape, 0, R"(,"type_vocab_size":2)"); }};
const Register<BackboneExample> roberta_itself{"roberta", "",
                                               [](const Shape& shape) { return roberta(shape); }};
const Register<BackboneExample> xlm_roberta{"xlm-roberta", "",
                                            [](const Shape& shape) { return roberta(shape); }};
const Register<BackboneExample> camembert{
    "camembert", "",
    [](const Shape& shape) { return roberta(shape, R"(,"tie_word_embeddings":false)"); }};
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

TEST(BertLike, AnUntiedHeadHasATableOfItsOwn) {
  const auto kind = [](const std::string& more) {
    return Registry<Backbone>::make("bert", bert_keys(Shape(), 0, more).config);
  };
  const auto untied = kind(R"(,"tie_word_embeddings":false)");
  EXPECT_EQ(kind("")->hub_layout().tied.size(), 2U);
  EXPECT_TRUE(untied->hub_layout().tied.empty());
  const std::string decoder = "cls.predictions.decoder.";
  EXPECT_EQ(untied->word_rows(),
            (std::vector<std::string>{decoder + "bias", decoder + "weight", untied->word_table()}));
  EXPECT_EQ(untied->hub_layout().ignored.back(), "cls.predictions.bias");
  EXPECT_EQ(untied->parameters({Part::head}).size(), kind("")->parameters({Part::head}).size() + 1);
}

}  // namespace
}  // namespace metaloom::testing
