// Configurations of GPT-2 for the laws of backbones, and what it cannot be.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/json.h"
#include "core/registry.h"
#include "tests/core/expect_error.h"
#include "tests/models/backbone_example.h"

namespace metaloom::testing {
namespace {

const Register<BackboneExample> gpt2{
    "gpt2", "", [](const Shape& shape) {
      return BackboneExample{fmt::format(
          R"({{"n_embd":{},"n_layer":{},"n_head":{},"n_inner":{},"vocab_size":{},)"
          R"("n_positions":{},"scale_attn_by_inverse_layer_idx":{},"tie_word_embeddings":{}}})",
          shape.heads * shape.depth, shape.layers, shape.heads, shape.inner, shape.vocabulary,
          shape.positions, shape.seed % 2 == 1, shape.seed % 3 != 0)};
    }};

TEST(Gpt2, WhatItCannotBeIsRefused) {
  const auto with = [](const char* key, const Json& value) {
    Json config = parse_json(config_of("gpt2", Shape()), "test");
    config[key] = value;
    return Registry<Backbone>::make("gpt2", config.dump());
  };
  EXPECT_ERROR(with("n_head", 3), Fault::data, "does not divide");
  EXPECT_ERROR(with("n_layer", 0), Fault::data, "n_layer is 0");
  EXPECT_ERROR(with("activation_function", "sine"), Fault::data, "sine");
  EXPECT_ERROR(with("add_cross_attention", true), Fault::data, "add_cross_attention");
  EXPECT_ERROR(with("n_layer", 100'000'000'000), Fault::data, "n_layer", "at most");
  EXPECT_EQ(with("n_inner", nullptr)->geometry().inner, 4 * 8);
  EXPECT_EQ(with("reorder_and_upcast_attn", true)->geometry().width, 8);
}

}  // namespace
}  // namespace metaloom::testing
