// Laws of what is written, over every registered backbone that writes texts; equality with
// transformers is in tests/golden/generation_test.py.
// Legend: R rows, N pieces written, T tasks.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "core/registry.h"
#include "models/generation/generation.h"
#include "tests/core/expect_error.h"
#include "tests/models/random_model.h"

namespace metaloom::testing {
namespace {

using Text = std::vector<std::int64_t>;

Text text_of(const Tokens& tokens, std::int64_t row) {
  const at::Tensor ids = tokens.ids_RL[row].narrow(0, 0, tokens.length_R[row].item<std::int64_t>());
  return {ids.const_data_ptr<std::int64_t>(), ids.const_data_ptr<std::int64_t>() + ids.numel()};
}

GenerationOptions any_options() {
  GenerationOptions out;
  out.most = *rc::gen::inRange(1, 7);
  out.ends = *rc::gen::element(Text(), Text{3}, Text{3, 6});
  out.least = *rc::gen::inRange<std::int64_t>(0, out.most);
  out.no_repeat = *rc::gen::element(0, 1, 2);
  out.beams = *rc::gen::element(1, 2, 4);
  out.length_penalty = *rc::gen::element(0.0, 1.0, 2.0);
  using Stop = GenerationOptions::Stop;
  out.stop = *rc::gen::element(Stop::first, Stop::likely, Stop::never);
  return out;
}

void for_every_writer(const std::function<void(const Backbone&, const Shape&)>& law) {
  for (const std::string& name : Registry<Backbone>::names()) {
    if (backbone_of(name, Shape())->decoder() == nullptr) continue;
    EXPECT_TRUE(rc::check(name, [&] {
      Shape shape = any_shape();
      shape.positions = 40;
      law(*backbone_of(name, shape), shape);
    }));
  }
}

TEST(Generation, ARowIsWrittenAsItIsAlone) {
  for_every_writer([](const Backbone& backbone, const Shape& shape) {
    const Params shared = weights_of(backbone, shape, at::kDouble);
    const std::string table = backbone.word_table();
    const std::int64_t vocabulary = shared.at(table).size(0), width = shared.at(table).size(1);
    const at::Tensor own_TVD =
        Rng(shape.seed, "tables").normal_tensor({shape.tasks, vocabulary, width}, 0.5, at::kDouble);
    const Batch batch = batch_of(shape);
    const GenerationOptions options = any_options();
    const Tokens together = generate(
        backbone, TaskWeights(shared, Params({{table, own_TVD}}), shape.tasks), batch, options);
    RC_ASSERT(together.tokens == together.length_R.sum().item<std::int64_t>());
    for (std::int64_t row = 0; row < batch.rows(); ++row) {
      const SharedWeights own(
          shared.merged_with(Params({{table, own_TVD[row / shape.rows_each]}})));
      const Tokens alone =
          generate(backbone, own, rows_of(batch, at::tensor({row}, at::kLong)), options);
      RC_ASSERT(text_of(alone, 0) == text_of(together, row));
    }
  });
}

TEST(Generation, OptionsHold) {
  for_every_writer([](const Backbone& backbone, const Shape& shape) {
    GenerationOptions options = any_options();
    options.forced_first = 5;
    options.forced_last = 7;
    // Where every piece has been read, none is left that is not repeated.
    if (options.no_repeat == 1) RC_PRE(shape.length + options.most <= shape.vocabulary);
    const SharedWeights weights(weights_of(backbone, shape, at::kDouble));
    const Tokens written = generate(backbone, weights, batch_of(shape), options);
    for (std::int64_t row = 0; row < written.rows(); ++row) {
      const Text text = text_of(written, row);
      const std::set<std::int64_t> ends(options.ends.begin(), options.ends.end());
      RC_ASSERT(options.most == 1 || text.front() == 5);
      if (static_cast<std::int64_t>(text.size()) < options.most) {
        RC_ASSERT(ends.contains(text.back()));
        RC_ASSERT(static_cast<std::int64_t>(text.size()) > options.least);
      } else {
        RC_ASSERT(text.back() == 7);
      }
      if (options.no_repeat == 1 && text.size() > 2) {  // but for what is forced
        const std::set<std::int64_t> once(text.begin() + 1, text.end() - 1);
        RC_ASSERT(once.size() == text.size() - 2);
      }
    }
  });
}

TEST(Generation, WhatCannotBeWrittenIsRefused) {
  for (const std::string& name : Registry<Backbone>::names()) {
    const Shape shape;
    const auto backbone = backbone_of(name, shape);
    const SharedWeights weights(weights_of(*backbone, shape, at::kFloat));
    const auto written = [&](const GenerationOptions& options) {
      return generate(*backbone, weights, batch_of(shape), options);
    };
    if (backbone->decoder() == nullptr) {
      EXPECT_ERROR(written({}), Fault::data, "writes no texts");
      continue;
    }
    EXPECT_ERROR(written({.most = 0}), Fault::data, "number of pieces is 0");
    EXPECT_ERROR(written({.most = shape.positions + 2}), Fault::data, "pieces");
    EXPECT_ERROR(written({.most = 4, .least = 5}), Fault::data, "least", "5");
    EXPECT_ERROR(written({.most = 4, .ends = {shape.vocabulary}}), Fault::data, "ends a text");
    EXPECT_ERROR(written({.most = 4, .forced_last = -1}), Fault::data, "forced");
    EXPECT_ERROR(written({.most = 4, .beams = 0}), Fault::data, "beams is 0");
  }
}

}  // namespace
}  // namespace metaloom::testing
