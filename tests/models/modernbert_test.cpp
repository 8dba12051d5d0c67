// Configurations of ModernBERT for the laws of backbones, and what of them is refused.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/registry.h"
#include "tests/core/expect_error.h"
#include "tests/models/backbone_example.h"

namespace metaloom::testing {
namespace {

/// Its keys, with `more` behind them: heads of even width.
BackboneExample modernbert_keys(const Shape& shape, const std::string& more) {
  return {fmt::format(R"({{"hidden_size":{},"num_hidden_layers":{},"num_attention_heads":{},)"
                      R"("intermediate_size":{},"vocab_size":{},"max_position_embeddings":{}{}}})",
                      shape.heads * (shape.depth + shape.depth % 2), shape.layers, shape.heads,
                      shape.inner, shape.vocabulary, shape.positions, more),
          /*layers_know_positions=*/true};
}

const Register<BackboneExample> modernbert{
    "modernbert", "", [](const Shape& shape) {
      return modernbert_keys(
          shape,
          R"(,"local_attention":4,"global_attn_every_n_layers":2,"global_rope_theta":160000.0,)"
          R"("local_rope_theta":10000.0,"norm_bias":true,"mlp_bias":true)");
    }};

std::vector<std::string> names_with(const std::string& more) {
  std::vector<std::string> names;
  const auto backbone =
      Registry<Backbone>::make("modernbert", modernbert_keys(Shape(), more).config);
  for (const Parameter& one : backbone->parameters()) {
    if (one.name.ends_with(".bias")) names.push_back(one.name);
  }
  return names;
}

TEST(ModernBert, BiasesAreOptions) {
  EXPECT_EQ(names_with(""), std::vector<std::string>{"decoder.bias"});
  EXPECT_TRUE(names_with(R"(,"decoder_bias":false)").empty());
  const std::vector<std::string> all = names_with(
      R"(,"norm_bias":true,"mlp_bias":true,"attention_bias":true,"classifier_bias":true)");
  // The first of two layers has no norm before its attention.
  EXPECT_EQ(all.size(), 2U * 6U - 1U + 2U + 3U);
}

TEST(ModernBert, AnUntiedHeadHasATableOfItsOwn) {
  const auto backbone = Registry<Backbone>::make(
      "modernbert", modernbert_keys(Shape(), R"(,"tie_word_embeddings":false)").config);
  EXPECT_TRUE(backbone->hub_layout().tied.empty());
  EXPECT_EQ(backbone->word_rows(),
            (std::vector<std::string>{"decoder.bias", "decoder.weight", backbone->word_table()}));
}

TEST(ModernBert, WhatIsNotSupportedIsRefusedByItsKey) {
  const auto refused = [](const std::string& more, const std::string& why) {
    EXPECT_ERROR(Registry<Backbone>::make("modernbert", modernbert_keys(Shape(), more).config),
                 Fault::data, why);
  };
  refused(R"(,"rope_scaling":{"type":"longrope"})", "rope_type is \"longrope\"");
  refused(R"(,"rope_scaling":3)", "rope_scaling is 3");
  refused(R"(,"rope_parameters":{"sliding_attention":3})", "sliding_attention is 3");
  refused(R"(,"layer_types":["full_attention"])", "no list of 2 layers");
  refused(R"(,"num_attention_heads":8)", "heads of width 1");
}

}  // namespace
}  // namespace metaloom::testing
