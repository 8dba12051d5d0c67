// Laws of every registered backbone that can write a text, over random shapes, weights and batches.
// Legend: R rows, S positions of the text, L of the target, D width.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/registry.h"
#include "models/decoder.h"
#include "tests/core/expect_error.h"
#include "tests/models/random_model.h"
#include "tests/models/rows_at.h"

namespace metaloom::testing {
namespace {

Tokens tokens_of(const at::Tensor& ids_RL, const at::Tensor& length_R) {
  return {.ids_RL = ids_RL,
          .segments_RL = {},
          .length_R = length_R,
          .tokens = length_R.sum().item<std::int64_t>()};
}

struct Case {
  Shape shape = any_shape();
  std::unique_ptr<Backbone> backbone;
  const Decoder* decoder;
  SharedWeights weights;
  Batch batch = batch_of(shape);

  explicit Case(const std::string& name)
      : backbone(backbone_of(name, shape)),
        decoder(backbone->decoder()),
        weights(weights_of(*backbone, shape, at::kDouble)) {
    Shape other = shape;
    other.seed += 1;
    other.length = 4 + static_cast<std::int64_t>(Rng(shape.seed, "target").below(0, 10));
    batch.target = static_cast<const Tokens&>(batch_of(other));
  }
  at::Tensor memory() const { return decoder->memory(weights, batch, {}); }
};

void for_every_decoder(const std::function<void(const std::string&)>& law) {
  for (const std::string& name : Registry<Backbone>::names()) {
    if (backbone_of(name, Shape())->decoder() == nullptr) continue;
    EXPECT_TRUE(rc::check(name, [&] { law(name); }));
  }
}

TEST(DecoderLaws, APieceSeesNothingThatComesLater) {
  for_every_decoder([](const std::string& name) {
    Case c(name);
    const at::Tensor before_RLD = c.decoder->decode(c.weights, c.memory(), c.batch, {});
    const std::int64_t same = 1 + static_cast<std::int64_t>(Rng(c.shape.seed).below(0, 2));
    at::Tensor& ids_RL = c.batch.target->ids_RL;
    ids_RL = ids_RL.clone();
    const at::Tensor later_RL = ids_RL.narrow(1, same, ids_RL.size(1) - same);
    later_RL.copy_((later_RL + 1).remainder(c.shape.vocabulary));
    const at::Tensor after_RLD = c.decoder->decode(c.weights, c.memory(), c.batch, {});
    RC_ASSERT(difference(after_RLD.narrow(1, 0, same), before_RLD.narrow(1, 0, same)) <= 1e-12);
    RC_ASSERT(difference_at_tokens(after_RLD, before_RLD, target_of(c.batch)) > 1e-6);
  });
}

TEST(DecoderLaws, ReadPieceByPieceIsReadAtOnce) {
  for_every_decoder([](const std::string& name) {
    const Case c(name);
    const Tokens& target = *c.batch.target;
    const at::Tensor wanted_RLD = c.decoder->decode(c.weights, c.memory(), c.batch, {});
    ForwardOptions options;
    options.attention = *rc::gen::element(Attention::fused, Attention::math);
    Past past;
    std::vector<at::Tensor> parts;
    // The first part is ragged, as texts are; those after it go on where each row's ends.
    const at::Tensor first_R = target.length_R.clamp_max(2) - (at::arange(target.rows()) % 2);
    at::Tensor at_R = at::zeros_like(first_R);
    for (std::int64_t read = 0; read < 3; ++read) {
      const at::Tensor count_R = read == 0 ? first_R : at::ones_like(first_R);
      const std::int64_t longest = count_R.max().item<std::int64_t>();
      const at::Tensor place_RL =
          (at_R.unsqueeze(1) + at::arange(longest)).clamp_max(target.ids_RL.size(1) - 1);
      Batch more;
      static_cast<Tokens&>(more) = tokens_of(target.ids_RL.gather(1, place_RL), count_R);
      more.tasks = c.batch.tasks;
      if (read == 2) options.keep_R = at::zeros_like(first_R);
      const at::Tensor found =
          c.decoder->extend(c.weights, c.memory(), c.batch, more, past, options);
      const at::Tensor here_RLD = wanted_RLD.gather(
          1, place_RL.unsqueeze(-1).expand({target.rows(), longest, wanted_RLD.size(2)}));
      // A row that has ended has nothing to be compared with.
      const at::Tensor there_R = (at_R + count_R <= target.length_R).view({-1, 1, 1});
      RC_ASSERT(difference_at_tokens((read == 2 ? found.unsqueeze(1) : found) * there_R,
                                     here_RLD * there_R, more) <= 1e-10);
      at_R = at_R + count_R;
    }
    RC_ASSERT(at::equal(past.length_R(), first_R + 2));
  });
}

TEST(DecoderLaws, ToEncodeATargetIsToDecodeIt) {
  for_every_decoder([](const std::string& name) {
    const Case c(name);
    const at::Tensor memory_RSD = c.memory();
    if (!memory_RSD.defined()) return;  // no encoder: the text is what is encoded
    ForwardOptions options;
    if (*rc::gen::arbitrary<bool>()) options.keep_R = c.batch.target->length_R - 1;
    RC_ASSERT(at::equal(c.decoder->decode(c.weights, memory_RSD, c.batch, options),
                        c.backbone->encode(c.weights, c.batch, options)));
  });
}

TEST(DecoderLaws, WhatThePastCannotHoldIsRefused) {
  for (const std::string& name : Registry<Backbone>::names()) {
    const Shape shape;
    const auto backbone = backbone_of(name, shape);
    if (backbone->decoder() == nullptr) continue;
    const SharedWeights weights(weights_of(*backbone, shape, at::kFloat));
    const Batch batch = batch_of(shape);
    const at::Tensor memory = backbone->decoder()->memory(weights, batch, {});
    const RowsAt prompts(0, at::ones({batch.rows(), 1, 8}));
    const auto extended = [&](const Batch& more, const ForwardOptions& options) {
      Past past;
      return backbone->decoder()->extend(weights, memory, batch, more, past, options);
    };
    ForwardOptions prompted, dropped;
    prompted.prompts = &prompts;
    const Rng dropout(3);
    dropped.dropout = &dropout;
    EXPECT_ERROR(extended(batch, prompted), Fault::internal, "prompts");
    EXPECT_ERROR(extended(batch, dropped), Fault::internal, "dropout");
    Batch soft = batch;
    soft.slot_RL = at::zeros_like(batch.ids_RL);
    EXPECT_ERROR(extended(soft, {}), Fault::internal, "soft tokens");
    const std::int64_t more = shape.positions + 1 - batch.ids_RL.size(1);
    Batch longest = padded(batch, more);
    EXPECT_EQ(extended(longest, {}).size(1), shape.positions + 1) << name;  // padding alone is over
    longest.length_R = at::full_like(longest.length_R, shape.positions + 1);
    EXPECT_ERROR(extended(longest, {}), Fault::data, "positions");
  }
}

}  // namespace
}  // namespace metaloom::testing
