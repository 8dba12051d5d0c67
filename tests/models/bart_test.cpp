// Configurations of BART for the laws of backbones; what is a law of its halves; what it cannot be.
// Legend: R rows, S positions of the text, D width.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/json.h"
#include "core/registry.h"
#include "models/decoder.h"
#include "tests/core/expect_error.h"
#include "tests/models/backbone_example.h"
#include "tests/models/rows_at.h"

namespace metaloom::testing {
namespace {

const Register<BackboneExample> bart{
    "bart", "", [](const Shape& shape) {
      // What is encoded are the decoder's states, and its layers see what positions make of a text.
      return BackboneExample{
          fmt::format(R"({{"d_model":{0},"encoder_layers":{1},"decoder_layers":{2},)"
                      R"("encoder_attention_heads":{3},"decoder_attention_heads":{4},)"
                      R"("encoder_ffn_dim":{5},"decoder_ffn_dim":{6},"vocab_size":{7},)"
                      R"("max_position_embeddings":{8},"scale_embedding":{9}}})",
                      shape.heads * shape.depth, shape.layers, 1 + shape.seed % 3, shape.heads,
                      shape.depth, shape.inner, shape.inner + 1, shape.vocabulary, shape.positions,
                      shape.seed % 2 == 1),
          /*layers_know_positions=*/true};
    }};

RC_GTEST_PROP(Bart, PromptRowsAreSeenLikeTextStatesByTheEncoder, ()) {
  const Shape shape = any_shape();
  const auto backbone = backbone_of("bart", shape);
  const SharedWeights weights(weights_of(*backbone, shape, at::kDouble));
  const Batch batch = batch_of(shape);
  const int layer = *rc::gen::inRange(1, static_cast<int>(shape.layers) + 1) - 1;
  if (layer == 0) return;  // the embeddings know positions
  const std::int64_t length = batch.ids_RL.size(1), count = 2;
  const at::Tensor below = backbone->encode_below(weights, batch, layer);
  const RowsAt prompts(layer, below.narrow(1, 0, count));
  Batch rest = batch;
  rest.ids_RL = batch.ids_RL.narrow(1, count, length - count);
  rest.length_R = batch.length_R - count;
  rest.tokens = batch.tokens - count * batch.rows();
  ForwardOptions options;
  options.prompts = &prompts;
  options.first_layer = layer;
  options.hidden_RLD = below.narrow(1, count, length - count);
  const Decoder& decoder = *backbone->decoder();
  const at::Tensor all_RSD = decoder.memory(weights, batch, {});
  RC_ASSERT(difference_at_tokens(decoder.memory(weights, rest, options),
                                 all_RSD.narrow(1, count, length - count), rest) <= 1e-12);
}

TEST(Bart, PromptsInsideTheDecoderAreRefused) {
  const Shape shape;
  const auto backbone = backbone_of("bart", shape);
  const SharedWeights weights(weights_of(*backbone, shape, at::kFloat));
  const Batch batch = batch_of(shape);
  const RowsAt prompts(static_cast<int>(shape.layers), at::ones({batch.rows(), 1, 8}));
  ForwardOptions options;
  options.prompts = &prompts;
  EXPECT_ERROR(backbone->encode(weights, batch, options), Fault::internal, "decoder's layers",
               "every target begins with");
}

TEST(Bart, AModelSavedWithoutAHeadHasNoBias) {
  const Shape shape;
  const auto backbone = backbone_of("bart", shape);
  const Params all = weights_of(*backbone, shape, at::kFloat);
  Params zero = all;
  zero.set("final_logits_bias", at::zeros({shape.vocabulary}));
  const SharedWeights bare(
      all.select([](std::string_view name) { return name != "final_logits_bias"; }));
  const at::Tensor states = at::ones({3, 8});
  EXPECT_TRUE(at::allclose(backbone->word_logits(bare, states, {}),
                           backbone->word_logits(SharedWeights(zero), states, {})));
}

TEST(Bart, WhatItCannotBeIsRefused) {
  const auto with = [](const char* key, const Json& value) {
    Json config = parse_json(config_of("bart", Shape()), "test");
    config[key] = value;
    return Registry<Backbone>::make("bart", config.dump());
  };
  EXPECT_ERROR(with("decoder_attention_heads", 3), Fault::data, "decoder_attention_heads");
  EXPECT_ERROR(with("decoder_layers", 0), Fault::data, "decoder_layers is 0");
  EXPECT_ERROR(with("activation_function", "sine"), Fault::data, "sine");
  EXPECT_ERROR(with("is_encoder_decoder", false), Fault::data, "is_encoder_decoder");
  EXPECT_ERROR(with("tie_word_embeddings", false), Fault::data, "tie_word_embeddings");
  EXPECT_ERROR(with("normalize_before", true), Fault::data, "normalize_before");
  EXPECT_ERROR(with("decoder_start_token_id", 40), Fault::data, "decoder_start_token_id is 40");
  EXPECT_ERROR(with("decoder_start_token_id", "</s>"), Fault::data, "decoder_start_token_id");
}

}  // namespace
}  // namespace metaloom::testing
