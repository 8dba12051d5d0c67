// DeBERTa v2 and v3: its example for the laws of backbones, its buckets of distances, what it
// refuses, and that prompt rows are at no distance.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/registry.h"
#include "models/layers/disentangled.h"
#include "tests/core/expect_error.h"
#include "tests/models/backbone_example.h"

namespace metaloom::testing {
namespace {

/// `more` comes last: where it repeats a key, it counts.
std::string config_with(const Shape& shape, const std::string& more) {
  return fmt::format(
      R"({{"hidden_size":{},"num_hidden_layers":{},"num_attention_heads":{},"intermediate_size":{},)"
      R"("vocab_size":{},"max_position_embeddings":{},"hidden_act":"gelu","layer_norm_eps":1e-12,)"
      R"("relative_attention":true{}}})",
      shape.heads * shape.depth, shape.layers, shape.heads, shape.inner, shape.vocabulary,
      shape.positions, more);
}

/// Everything at once; or, by the seed, version 3 as it is trained, the new head with distances
/// that share no row, or one term alone.
BackboneExample deberta(const Shape& shape) {
  const std::vector<std::string> kinds{
      fmt::format(
          R"(,"pos_att_type":"p2c|c2p","type_vocab_size":2,"embedding_size":{},"position_buckets":6,)"
          R"("norm_rel_ebd":"layer_norm","conv_kernel_size":3,"conv_act":"gelu","conv_groups":{})",
          shape.depth + 4, shape.heads),
      R"(,"pos_att_type":["c2p","p2c"],"share_att_key":true,"norm_rel_ebd":"layer_norm",)"
      R"("position_buckets":8,"position_biased_input":false,"type_vocab_size":0)",
      R"(,"pos_att_type":["p2c","c2p"],"legacy":false,"max_relative_positions":5,)"
      R"("conv_kernel_size":5,"type_vocab_size":1)",
      R"(,"pos_att_type":["p2c"],"norm_rel_ebd":"none","max_relative_positions":30)"};
  return {config_with(shape, kinds[(shape.seed + 3) % kinds.size()]), true};
}

const Register<BackboneExample> example{"deberta-v2", "", deberta};

std::unique_ptr<Backbone> made(const std::string& more) {
  return Registry<Backbone>::make("deberta-v2", config_with(Shape(), more));
}

TEST(DebertaV2, NearDistancesHaveARowEachAndFarOnesShareSome) {
  const Disentangled kind{.reach = 17, .buckets = 8};
  const at::Tensor rows = rows_of_distances(kind, 20);
  for (std::int64_t distance = -4; distance <= 4; ++distance) {
    EXPECT_EQ(rows[distance + 20].item<std::int64_t>(), 8 + distance);
  }
  EXPECT_EQ(rows[16 + 20].item<std::int64_t>(), 8 + 7);     // the last distance that is told apart
  EXPECT_EQ(rows[8 + 20].item<std::int64_t>(), 8 + 4 + 2);  // half way by the logarithm
  EXPECT_EQ(rows[19 + 20].item<std::int64_t>(), 15);        // beyond
  EXPECT_EQ(rows[0].item<std::int64_t>(), 0);
  const at::Tensor plain = rows_of_distances({.reach = 3}, 6);
  EXPECT_TRUE(at::equal(plain, at::tensor({0, 0, 0, 0, 1, 2, 3, 4, 5, 5, 5, 5}, at::kLong)));
}

// Without a distance to them, where prompt rows stand among themselves cannot matter.
TEST(DebertaV2, PromptRowsAreAtNoDistance) {
  Shape shape;
  const auto backbone = made(R"(,"pos_att_type":"p2c|c2p","conv_kernel_size":3)");
  const SharedWeights weights(weights_of(*backbone, shape, at::kDouble));
  const Batch batch = batch_of(shape);
  const at::Tensor rows_RPD = Rng(3, "prompt").normal_tensor({batch.rows(), 3, 8}, 1, at::kDouble);
  class Fixed final : public LayerPrompts {
   public:
    explicit Fixed(at::Tensor rows) : rows_(std::move(rows)) {}
    at::Tensor at(int position, const at::Tensor&, const at::Tensor&,
                  const at::Tensor& below) const override {
      return position == 0 ? rows_ : below;
    }
    int lowest() const override { return 0; }

   private:
    at::Tensor rows_;
  };
  const auto encoded = [&](const at::Tensor& rows) {
    const Fixed prompts(rows);
    ForwardOptions options;
    options.prompts = &prompts;
    return backbone->encode(weights, batch, options);
  };
  const at::Tensor out_RLD = encoded(rows_RPD);
  EXPECT_LE(difference_at_tokens(encoded(rows_RPD.flip(1)), out_RLD, batch), 1e-12);
  EXPECT_GT(difference_at_tokens(backbone->encode(weights, batch, {}), out_RLD, batch), 1e-3);
}

TEST(DebertaV2, ThePoolerHasTheActivationOfTheConfiguration) {
  const auto backbone = made(R"(,"pooler_hidden_act":"relu")");
  Params params = weights_of(*backbone, Shape(), at::kDouble);
  const at::Tensor states_RD = Rng(5).normal_tensor({3, 8}, 1, at::kDouble);
  const at::Tensor dense_RD = SharedWeights(params).linear("pooler.dense", states_RD);
  EXPECT_TRUE(at::equal(backbone->pooled(SharedWeights(params), states_RD), dense_RD.relu()));
  EXPECT_ERROR(backbone->pooled(SharedWeights(), states_RD), Fault::data, "no pooler");
}

TEST(DebertaV2, TheMlmHeadHasTwoSpellings) {
  const auto names = [](const Backbone& backbone) {
    std::vector<std::string> out;
    for (const Parameter& one : backbone.parameters({Part::head})) out.push_back(one.name);
    return out;
  };
  const auto legacy = made(""), own = made(R"(,"legacy":false)");
  ASSERT_EQ(names(*legacy).size(), 5U);
  for (const std::string& name : names(*own)) {
    const auto tied = legacy->hub_layout().tied;
    EXPECT_TRUE(std::any_of(tied.begin(), tied.end(), [&](const auto& pair) {
      return pair.first == name;
    })) << name;
  }
}

TEST(DebertaV2, WhatIsNotSupportedIsRefusedByItsKey) {
  for (const auto& [more, key] : std::vector<std::pair<std::string, std::string>>{
           {R"(,"pos_att_type":"p2p")", "pos_att_type"},
           {R"(,"pos_att_type":3)", "pos_att_type"},
           {R"(,"norm_rel_ebd":"rms_norm")", "norm_rel_ebd"},
           {R"(,"conv_kernel_size":4)", "conv_kernel_size"},
           {R"(,"conv_kernel_size":3,"conv_groups":3)", "conv_groups"},
           {R"(,"conv_kernel_size":3,"conv_act":"tan")", "conv_act"},
           {R"(,"position_buckets":1)", "position_buckets"},
           {R"(,"position_buckets":60)", "position_buckets"},
           {R"(,"position_buckets":"8")", "position_buckets"},
           {R"(,"type_vocab_size":-1)", "type_vocab_size"},
           {R"(,"attention_head_size":5)", "attention_head_size"},
           {R"(,"z_steps":2)", "z_steps"},
           {R"(,"pooler_hidden_size":9)", "pooler_hidden_size"},
           {R"(,"legacy":false,"embedding_size":5)", "legacy"},
       }) {
    EXPECT_ERROR(made(more), Fault::data, key);
  }
}

}  // namespace
}  // namespace metaloom::testing
