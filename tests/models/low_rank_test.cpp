// Low-rank factors over every registered backbone: equal to the merged matrices W + scale * B A, of
// all tasks or of each.
#include "models/weights/low_rank.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/registry.h"
#include "tests/core/expect_error.h"
#include "tests/models/random_model.h"

namespace metaloom::testing {
namespace {

constexpr double kScale = 0.7;

struct Case {
  Shape shape = any_shape();
  std::unique_ptr<Backbone> backbone;
  Batch batch = batch_of(shape);
  Params weights, factors;
  ForwardOptions options;

  explicit Case(const std::string& name)
      : backbone(backbone_of(name, shape)), weights(weights_of(*backbone, shape, at::kDouble)) {
    const Rng rng(shape.seed, "low rank");
    const auto percent = *rc::gen::element(30, 100);
    const auto rank = *rc::gen::inRange<std::int64_t>(1, 4);
    const bool by_task = *rc::gen::arbitrary<bool>();
    options.attention = Attention::math;
    options.recompute = *rc::gen::arbitrary<bool>();
    const auto drawn = [&](const std::string& factor, std::vector<std::int64_t> sizes) {
      if (by_task) sizes.insert(sizes.begin(), shape.tasks);
      factors.set(factor, rng.at(factor).normal_tensor(sizes, 0.3, at::kDouble));
    };
    for (const auto& [full_name, value] : weights) {
      if (value.dim() != 2 || rng.at(full_name).below(0, 100) >= percent) continue;
      const std::string matrix = full_name.substr(0, full_name.rfind(".weight"));
      drawn(matrix + ".lora_A", {rank, value.size(1)});
      drawn(matrix + ".lora_B", {value.size(0), rank});
    }
    RC_PRE(!factors.empty());
  }

  /// Low-rank weights, and the same merged: both of the same leaves.
  std::unique_ptr<Weights> apart(const Params& from) const {
    return std::make_unique<LowRankWeights>(std::make_unique<SharedWeights>(weights), from, kScale);
  }
  std::unique_ptr<Weights> merged(const Params& from) const {
    Params shared = weights, per_task;
    for (const auto& [full_name, value] : weights) {
      const std::string matrix = full_name.substr(0, full_name.rfind(".weight"));
      if (!from.contains(matrix + ".lora_A")) continue;
      const at::Tensor whole =
          value + kScale * at::matmul(from.at(matrix + ".lora_B"), from.at(matrix + ".lora_A"));
      (whole.dim() == 3 ? per_task : shared).set(full_name, whole);
    }
    return std::make_unique<TaskWeights>(shared, per_task, shape.tasks);
  }
  at::Tensor states(const Weights& read) const { return backbone->encode(read, batch, options); }
  at::Tensor loss(const Weights& read) const {
    const at::Tensor out_RLD = states(read);
    const at::Tensor states_RD = out_RLD.select(1, 1);
    const at::Tensor all = backbone->word_logits(read, states_RD, {}).log_softmax(1).select(1, 3);
    const at::Tensor some = backbone->word_logits(read, states_RD, at::arange(2, 7));
    return all.sum() + some.sin().sum() + out_RLD.sin().sum();
  }
};

void expect_equal(const Params& found, const Params& wanted) {
  double scale = 1e-6;
  for (const auto& [name, value] : wanted) {
    scale = std::max(scale, value.abs().max().item<double>());
  }
  for (const auto& [name, value] : wanted) {
    RC_LOG() << name << "\n";
    RC_ASSERT((found.at(name) - value).abs().max().item<double>() <= 1e-10 * scale);
  }
}

TEST(LowRank, EqualsTheMergedMatrices) {
  for (const std::string& name : Registry<Backbone>::names()) {
    EXPECT_TRUE(rc::check(name, [&] {
      const Case c(name);
      const Params leaves = c.factors.leaves();
      const auto apart = c.apart(leaves), merged = c.merged(leaves);
      RC_ASSERT(difference(c.states(*apart), c.states(*merged)) <= 1e-10);
      expect_equal(grad(c.loss(*apart), leaves), grad(c.loss(*merged), leaves));
    }));
  }
}

TEST(LowRank, SecondDerivativesEqualThoseOfTheMergedMatrices) {
  for (const std::string& name : Registry<Backbone>::names()) {
    EXPECT_TRUE(rc::check(name, [&] {
      if (*rc::gen::inRange(0, 4) > 0) return;  // a quarter of the cases is enough of what is slow
      const Case c(name);
      const auto outer = [&](const auto& read) {
        const Params leaves = c.factors.leaves();
        const Params slope = grad(c.loss(*read(leaves)), leaves, /*create_graph=*/true);
        const Rng rng(c.shape.seed, "directions");
        return grad(dot(slope, slope.map([&](const at::Tensor& value) {
                      return rng.at({value.numel()}).normal_tensor(value.sizes(), 1, at::kDouble);
                    })),
                    leaves);
      };
      expect_equal(outer([&](const Params& from) { return c.apart(from); }),
                   outer([&](const Params& from) { return c.merged(from); }));
    }));
  }
}

TEST(LowRank, TheBasesOwnGradientsAreThoseOfTheMergedMatrices) {
  Params base, factors;
  const Rng rng(3);
  base.set("a.weight", rng.at("w").normal_tensor({5, 4}, 1, at::kDouble));
  base.set("a.bias", rng.at("b").normal_tensor({5}, 1, at::kDouble));
  base = base.leaves();
  factors.set("a.lora_A", rng.at("A").normal_tensor({2, 4}, 1, at::kDouble));
  factors.set("a.lora_B", rng.at("B").normal_tensor({5, 2}, 1, at::kDouble));
  const LowRankWeights weights(std::make_unique<SharedWeights>(base), factors, 2);
  const at::Tensor x = rng.at("x").normal_tensor({3, 4}, 1, at::kDouble);
  const at::Tensor merged =
      base.at("a.weight") + 2 * at::matmul(factors.at("a.lora_B"), factors.at("a.lora_A"));
  EXPECT_TRUE(at::allclose(weights.linear("a", x), at::linear(x, merged, base.at("a.bias"))));
  EXPECT_EQ(weights.trained().names(), base.names());
  const Params found = grad(weights.linear("a", x).sin().sum(), base);
  const Params wanted = grad(at::linear(x, merged, base.at("a.bias")).sin().sum(), base);
  EXPECT_TRUE(at::allclose(found.at("a.weight"), wanted.at("a.weight")));
}

// A bf16 product stays one, for layers go on with it; the factors' own is of their precision.
TEST(LowRank, ProductsHaveTheBasesPrecision) {
  for (const std::string& name : Registry<Backbone>::names()) {
    Shape shape;
    const auto backbone = backbone_of(name, shape);
    const Params base = weights_of(*backbone, shape, at::kFloat);
    Params factors;
    const Rng rng(3);
    for (const auto& [full_name, value] : base) {
      // Every other one: their states meet those of matrices without.
      if (value.dim() != 2 || rng.at(full_name).below(0, 2) == 0) continue;
      const std::string matrix = full_name.substr(0, full_name.rfind(".weight"));
      factors.set(matrix + ".lora_A",
                  rng.at(full_name).normal_tensor({2, value.size(1)}, 0.3, at::kFloat));
      factors.set(matrix + ".lora_B", at::zeros({value.size(0), 2}));
    }
    const SharedWeights alone(base, at::kBFloat16);
    const LowRankWeights beside(std::make_unique<SharedWeights>(base, at::kBFloat16), factors, 1);
    const Batch batch = batch_of(shape);
    EXPECT_TRUE(at::equal(backbone->encode(beside, batch, {}), backbone->encode(alone, batch, {})))
        << name;
  }
}

TEST(LowRank, FactorsThatDoNotFitAreRefused) {
  const auto made = [](Params factors) {
    Params base;
    base.set("a.weight", at::ones({5, 4}));
    return LowRankWeights(std::make_unique<SharedWeights>(base), std::move(factors), 1);
  };
  const at::Tensor down = at::ones({2, 4}), up = at::ones({5, 2});
  EXPECT_ERROR(made(Params({{"a.lora_A", down}})), Fault::internal, "partner");
  EXPECT_ERROR(made(Params({{"a.lora_B", up}})), Fault::internal, "partner");
  EXPECT_ERROR(made(Params({{"b.lora_A", down}, {"b.lora_B", up}})), Fault::internal, "no matrix");
  EXPECT_ERROR(made(Params({{"a.down", down}})), Fault::internal, "called");
  EXPECT_ERROR(made(Params({{"a.lora_A", down}, {"a.lora_B", at::ones({5, 3})}})), Fault::internal,
               "ranks 2 and 3");
  EXPECT_ERROR(made(Params({{"a.lora_A", down}, {"a.lora_B", at::ones({3, 5, 2})}})),
               Fault::internal, "two of every task");
  const LowRankWeights fine = made(Params({{"a.lora_A", down}, {"a.lora_B", up}}));
  EXPECT_ERROR(fine.layer_norm("a", at::ones({2, 4}), 1e-5), Fault::internal, "matrices alone");
  EXPECT_TRUE(fine.contains("a.lora_A"));
  EXPECT_FALSE(fine.contains("a.bias"));
}

}  // namespace
}  // namespace metaloom::testing
