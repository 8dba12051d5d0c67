// Activation checkpointing over every registered backbone: the same numbers, and derivatives of
// every order, as where all activations are kept.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/registry.h"
#include "tests/models/random_model.h"
#include "tests/models/rows_at.h"

namespace metaloom::testing {
namespace {

struct Case {
  Shape shape = any_shape();
  std::unique_ptr<Backbone> backbone;
  Batch batch = batch_of(shape);
  Params theta;          // the model's weights, and "prompt" where there are prompt rows
  Params own_T;          // weights that are each task's own
  bool keeps = false;    // one position of each row alone
  bool drops = false;    // dropout
  int prompt_layer = 0;  // the first with prompt rows
  Attention attention = Attention::math;

  explicit Case(const std::string& name, at::ScalarType dtype = at::kDouble)
      : backbone(backbone_of(name, shape)), theta(weights_of(*backbone, shape, dtype)) {
    const Rng rng(shape.seed, "recompute");
    const auto width = backbone->geometry().width;
    keeps = *rc::gen::arbitrary<bool>();
    drops = *rc::gen::arbitrary<bool>();
    attention = *rc::gen::element(Attention::fused, Attention::math);
    prompt_layer = *rc::gen::inRange(0, static_cast<int>(shape.layers) + 1);
    if (prompt_layer < shape.layers) {
      theta.set("prompt", rng.at("prompt").normal_tensor({batch.rows(), 2, width}, 0.5, dtype));
    }
    const auto percent = *rc::gen::element(0, 30, 100);
    for (const auto& [full_name, value] : theta) {
      if (full_name == "prompt" || rng.at(full_name).below(0, 100) >= percent) continue;
      std::vector<std::int64_t> sizes = value.sizes().vec();
      sizes.insert(sizes.begin(), shape.tasks);
      own_T.set(full_name, value + rng.at({1}).at(full_name).normal_tensor(sizes, 0.2, dtype));
    }
  }

  /// All that may be differentiated by; what is a task's own is "own.NAME".
  Params all() const {
    Params out = theta;
    for (const auto& [name, value] : own_T) out.set("own." + name, value);
    return out;
  }

  at::Tensor states(const Params& at, bool recompute) const {
    const Rng dropout(shape.seed, "dropout");
    ForwardOptions options;
    options.recompute = recompute;
    options.attention = attention;
    options.dropout_rate = 0.3;
    if (drops) options.dropout = &dropout;
    if (keeps) options.keep_R = batch.read_at_R;
    const at::Tensor prompt = at.contains("prompt") ? at.at("prompt") : at::Tensor();
    const RowsAt prompts(prompt_layer, prompt);
    if (prompt.defined()) options.prompts = &prompts;
    Params shared, per_task;
    for (const auto& [name, value] : at) {
      if (name.starts_with("own."))
        per_task.set(name.substr(4), value);
      else if (name != "prompt")
        shared.set(name, value);
    }
    // The weights end before anything is differentiated.
    return backbone->encode(TaskWeights(shared, per_task, shape.tasks), batch, options);
  }
  at::Tensor loss(const Params& at, bool recompute) const {
    const at::Tensor out = states(at, recompute);
    return (out.sin() * out.detach().cos()).sum();
  }
};

void for_every_backbone(const std::function<void(const std::string&)>& law) {
  for (const std::string& name : Registry<Backbone>::names()) {
    EXPECT_TRUE(rc::check(name, [&] { law(name); }));
  }
}

/// The largest difference of one tensor, relative to its largest number.
void expect_equal(const Params& found, const Params& wanted, double close) {
  double scale = 1e-6;
  for (const auto& [name, value] : wanted) {
    scale = std::max(scale, value.abs().max().item<double>());
  }
  for (const auto& [name, value] : wanted) {
    RC_LOG() << name << "\n";
    RC_ASSERT((found.at(name) - value).abs().max().item<double>() <= close * scale);
  }
}

TEST(Recompute, OutputsAreEqualBitForBitAndGradientsToRounding) {
  for_every_backbone([](const std::string& name) {
    const Case c(name);
    const Params leaves = c.all().leaves();
    const at::Tensor kept = c.states(leaves, false), again = c.states(leaves, true);
    RC_ASSERT(at::equal(kept, again));
    RC_ASSERT(again.requires_grad());
    expect_equal(grad(c.loss(leaves, true), leaves), grad(c.loss(leaves, false), leaves), 1e-12);
  });
}

// By some tensors alone, as an inner loop asks for: the others' ways back are not gone.
TEST(Recompute, SomeGradientsEqualThoseOfAll) {
  for_every_backbone([](const std::string& name) {
    const Case c(name);
    const Params leaves = c.all().leaves();
    const Rng rng(c.shape.seed, "some");
    const Params some =
        leaves.select([&](std::string_view one) { return rng.at(one).below(0, 4) == 0; });
    expect_equal(grad(c.loss(leaves, true), some), grad(c.loss(leaves, false), some), 1e-12);
  });
}

TEST(Recompute, SingleNumbersHaveTheSameGradientsBitForBit) {
  // Of a model whose layers share nothing: sums over layers may be taken in another order.
  for (const char* const name : {"bert", "gpt2", "llama", "modernbert"}) {
    EXPECT_TRUE(rc::check(name, [&] {
      const Case c(name, at::kFloat);
      const Params leaves = c.all().leaves();
      const Params kept = grad(c.loss(leaves, false), leaves);
      for (const auto& [full_name, value] : grad(c.loss(leaves, true), leaves)) {
        RC_LOG() << full_name << "\n";
        RC_ASSERT(at::equal(value, kept.at(full_name)));
      }
    }));
  }
}

// A step of an inner loop and the gradient through it: the graph of a gradient is kept.
TEST(Recompute, GradientsThroughGradientsAreEqual) {
  for_every_backbone([](const std::string& name) {
    if (*rc::gen::inRange(0, 4) > 0) return;  // a quarter of the cases is enough of what is slow
    Case c(name);
    c.attention = Attention::math;
    const auto outer = [&c](bool recompute) {
      const Params leaves = c.all().leaves();
      const Params slope = grad(c.loss(leaves, recompute), leaves, /*create_graph=*/true);
      // A step of bounded length: a long one would magnify rounding.
      const double length = 1e-6 + dot(slope, slope).sqrt().item<double>();
      const Params phi = axpy(-0.1 / length, slope, leaves);
      return grad(c.loss(phi, recompute) + dot(slope, slope) / length, leaves);
    };
    expect_equal(outer(true), outer(false), 1e-11);
  });
}

TEST(Recompute, ThirdDerivativesAreEqual) {
  for (const char* const name : {"bert", "bart", "deberta-v2"}) {
    Shape shape;
    const auto backbone = backbone_of(name, shape);
    const Batch batch = batch_of(shape);
    const Params theta = weights_of(*backbone, shape, at::kDouble).leaves();
    const auto third = [&](bool recompute) {
      ForwardOptions options;
      options.attention = Attention::math;
      options.recompute = recompute;
      const at::Tensor out = backbone->encode(SharedWeights(theta), batch, options);
      const Params first = grad(out.sin().sum(), theta, true);
      const Params second = grad(dot(first, first), theta, true);
      return grad(dot(second, second).log(), theta);
    };
    const Params found = third(true), wanted = third(false), gap = axpy(-1, wanted, found);
    const double relative = (dot(gap, gap) / dot(wanted, wanted)).sqrt().item<double>();
    EXPECT_LE(relative, 1e-10) << name;
    EXPECT_GT(dot(wanted, wanted).item<double>(), 0) << name;
  }
}

// A frozen model below the lowest prompt has nothing to differentiate: it leaves no graph.
TEST(Recompute, WhatAsksForNoGradientLeavesNoGraph) {
  for (const std::string& name : Registry<Backbone>::names()) {
    Shape shape;
    const auto backbone = backbone_of(name, shape);
    const Params theta = weights_of(*backbone, shape, at::kFloat);
    ForwardOptions options;
    options.recompute = true;
    const Batch batch = batch_of(shape);
    EXPECT_FALSE(backbone->encode(SharedWeights(theta), batch, options).requires_grad()) << name;
    const c10::NoGradGuard no_grad;
    const at::Tensor out = backbone->encode(SharedWeights(theta.leaves()), batch, options);
    EXPECT_FALSE(out.requires_grad()) << name;
  }
}

TEST(Recompute, CostsLessMemoryInTheDescription) {
  for (const std::string& name : Registry<Backbone>::names()) {
    Shape shape;
    shape.layers = 6;
    const auto backbone = backbone_of(name, shape);
    Pass pass{.rows = 3, .length = 7, .head_rows = 3, .head_ids = 9};
    const Cost kept = backbone->cost(pass, at::kFloat);
    pass.recompute = true;
    const Cost again = backbone->cost(pass, at::kFloat);
    EXPECT_LT(again.peak_bytes, 0.5 * kept.peak_bytes) << name;
    EXPECT_DOUBLE_EQ(again.flops, kept.flops) << name;  // of a forward pass
  }
}

}  // namespace
}  // namespace metaloom::testing
