// Configurations of Llama and its relatives for the laws of backbones, and what of them is refused.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/registry.h"
#include "tests/core/expect_error.h"
#include "tests/models/backbone_example.h"

namespace metaloom::testing {
namespace {

/// Llama's keys, with `more` behind them: heads of even width, which need not fill the layers', and
/// half as many for the keys where there are two.
BackboneExample llama_keys(const Shape& shape, const std::string& more) {
  return {fmt::format(
              R"({{"hidden_size":{},"num_hidden_layers":{},"num_attention_heads":{},)"
              R"("num_key_value_heads":{},"head_dim":{},"intermediate_size":{},"vocab_size":{},)"
              R"("max_position_embeddings":{},"rms_norm_eps":1e-6{}}})",
              shape.heads * shape.depth, shape.layers, shape.heads,
              shape.heads % 2 == 0 ? shape.heads / 2 : 1, shape.depth + shape.depth % 2,
              shape.inner, shape.vocabulary, shape.positions, more),
          /*layers_know_positions=*/true};
}

const Register<BackboneExample> llama{
    "llama", "", [](const Shape& shape) {
      return llama_keys(
          shape,
          R"(,"attention_bias":true,"mlp_bias":true,"rope_theta":50,"rope_scaling":{"rope_type":)"
          R"("llama3","factor":4,"low_freq_factor":1,"high_freq_factor":4,)"
          R"("original_max_position_embeddings":12})");
    }};
const Register<BackboneExample> mistral{
    "mistral", "", [](const Shape& shape) {
      return llama_keys(shape,
                        R"(,"sliding_window":4,"rope_parameters":{"rope_type":"yarn","factor":2,)"
                        R"("original_max_position_embeddings":12,"beta_fast":4})");
    }};
const Register<BackboneExample> qwen2{
    "qwen2", "", [](const Shape& shape) {
      return llama_keys(shape, R"(,"tie_word_embeddings":true,"use_sliding_window":true,)"
                               R"("sliding_window":3,"max_window_layers":1)");
    }};
const Register<BackboneExample> qwen3{
    "qwen3", "", [](const Shape& shape) { return llama_keys(shape, R"(,"attention_bias":true)"); }};

void refused(const std::string& name, const std::string& more, const std::string& why) {
  EXPECT_ERROR(Registry<Backbone>::make(name, llama_keys(Shape(), more).config), Fault::data, why);
}

TEST(LlamaLike, WhatIsNotSupportedIsRefusedByItsKey) {
  refused("llama", R"(,"rope_scaling":{"type":"longrope"})", "rope_type is \"longrope\"");
  refused("llama", R"(,"rope_scaling":{"type":"linear"})", "lacks factor");
  refused("llama", R"(,"rope_scaling":{"type":"dynamic"})", "lacks factor");
  refused("llama", R"(,"rope_scaling":"linear")", "rope_scaling is \"linear\"");
  refused("llama", R"(,"rope_parameters":{"full_attention":{}})", "full_attention apart");
  refused("llama", R"(,"partial_rotary_factor":0.5)", "partial_rotary_factor is 0.5");
  refused("llama", R"(,"rope_parameters":{"rope_theta":-1})", "rope_theta is -1");
  refused("mistral", R"(,"layer_types":["full_attention","full_attention"])", "layer_types");
  refused("mistral", R"(,"sliding_window":0)", "sliding_window is 0");
  refused("qwen2", R"(,"layer_types":["full_attention"])", "no list of 2 layers");
  refused("qwen3", R"(,"layer_types":["full_attention","chunked_attention"])", "chunked");
  refused("qwen3", R"(,"layer_types":["full_attention","sliding_attention"])", "no window");
  refused("qwen3", R"(,"max_window_layers":-1)", "max_window_layers is -1");
}

TEST(LlamaLike, ATextBeginsWhereTheModelsTextsDo) {
  const auto framing_of = [](const char* name, const char* more) {
    return Registry<Backbone>::make(name, llama_keys(Shape(), more).config)->framing();
  };
  EXPECT_EQ(framing_of("llama", "").before, std::vector<Special>{Special::begin});
  EXPECT_TRUE(framing_of("llama", R"(,"bos_token_id":null)").before.empty());
  EXPECT_TRUE(framing_of("qwen3", R"(,"bos_token_id":3)").before.empty());
  EXPECT_EQ(framing_of("mistral", "").answer, ReadAt::last);
}

}  // namespace
}  // namespace metaloom::testing
