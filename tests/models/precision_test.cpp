// Products of bf16 over every registered backbone: near fp64's, everything else stays fp32; and
// weights that are held in bf16.
// Legend: R rows, D width, T tasks.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/registry.h"
#include "models/pretrained.h"
#include "tests/models/random_model.h"

namespace metaloom::testing {
namespace {

constexpr double kRounding = 1.0 / 256;  // of one number of bf16

Shape wide_shape() {
  Shape shape = any_shape();
  shape.heads = 2;  // where a head is one number wide, what is rounded decides
  shape.depth = 8;
  return shape;
}

at::Tensor logits_RV(const Backbone& backbone, const Weights& weights, const Batch& batch,
                     Attention attention) {
  ForwardOptions options;
  options.attention = attention;
  options.keep_R = batch.read_at_R;
  const at::Tensor states_RD = backbone.encode(weights, batch, options);
  EXPECT_NE(states_RD.scalar_type(), at::kBFloat16);
  return backbone.word_logits(weights, states_RD, {});
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return ((a.to(at::kDouble) - b).norm() / b.norm()).item<double>();
}

void for_every_backbone(const std::function<void(const Backbone&, const Shape&)>& law) {
  for (const std::string& name : Registry<Backbone>::names()) {
    EXPECT_TRUE(rc::check(name, [&] {
      const Shape shape = wide_shape();
      law(*backbone_of(name, shape), shape);
    }));
  }
}

TEST(Precision, ProductsOfBf16AreNearAndAllElseIsSingle) {
  for_every_backbone([](const Backbone& backbone, const Shape& shape) {
    // Smaller than those of other laws: rounding grows with every layer that amplifies.
    const Params exact = weights_of(backbone, shape, at::kDouble).map([](const at::Tensor& value) {
      return value.dim() > 1 ? value * 0.3 : value;
    });
    const Params single = exact.map([](const at::Tensor& v) { return v.to(at::kFloat); }).leaves();
    const Batch batch = batch_of(shape);
    for (const Attention attention : {Attention::fused, Attention::math}) {
      const at::Tensor wanted_RV = logits_RV(backbone, SharedWeights(exact), batch, attention);
      const at::Tensor found_RV =
          logits_RV(backbone, SharedWeights(single, at::kBFloat16), batch, attention);
      RC_ASSERT(found_RV.scalar_type() == at::kFloat);
      const double off = distance(found_RV, wanted_RV);
      RC_ASSERT(off < 40 * kRounding);
      RC_ASSERT(off > 0.01 * kRounding);  // they are of bf16
      for (const auto& [name, gradient] : grad(found_RV.square().mean(), single)) {
        RC_ASSERT(gradient.scalar_type() == at::kFloat);
        RC_ASSERT(gradient.isfinite().all().item<bool>());
      }
    }
  });
}

TEST(Precision, TasksApartMultiplyAsTheyDoTogether) {
  for_every_backbone([](const Backbone& backbone, const Shape& shape) {
    const Params shared = weights_of(backbone, shape, at::kFloat);
    const Params own_T = shared.map([&](const at::Tensor& value) {
      std::vector<at::Tensor> each;
      for (std::int64_t t = 0; t < shape.tasks; ++t)
        each.push_back(value * (1 + 0.1 * static_cast<double>(t)));
      return at::stack(each);
    });
    const Batch batch = batch_of(shape);
    const TaskWeights together({}, own_T, shape.tasks, at::kBFloat16);
    const at::Tensor found_RV = logits_RV(backbone, together, batch, Attention::math);
    for (std::int64_t t = 0; t < shape.tasks; ++t) {
      const at::Tensor rows = at::arange(t * shape.rows_each, (t + 1) * shape.rows_each);
      const SharedWeights alone(own_T.map([t](const at::Tensor& value) { return value[t]; }),
                                at::kBFloat16);
      const at::Tensor alone_RV = logits_RV(backbone, alone, rows_of(batch, rows), Attention::math);
      RC_ASSERT(distance(found_RV.index_select(0, rows), alone_RV.to(at::kDouble)) <
                40 * kRounding);
    }
  });
}

TEST(Precision, WhatIsFrozenTakesHalfTheMemory) {
  const Shape shape;
  for (const std::string& name : Registry<Backbone>::names()) {
    Pretrained model;
    model.backbone = backbone_of(name, shape);
    model.weights = weights_of(*model.backbone, shape, at::kFloat);
    const std::string trained = model.backbone->word_table();
    const Params before = model.weights;
    model.freeze({trained});
    for (const auto& [each, value] : model.weights) {
      const bool half = value.dim() > 1 && each != trained;
      EXPECT_EQ(value.scalar_type(), half ? at::kBFloat16 : at::kFloat) << name << ' ' << each;
      EXPECT_TRUE(half || value.is_same(before.at(each)));
    }
    const at::Tensor found_RV =
        logits_RV(*model.backbone, SharedWeights(model.weights), batch_of(shape), Attention::fused);
    EXPECT_EQ(found_RV.scalar_type(), at::kFloat) << name;
    EXPECT_TRUE(found_RV.isfinite().all().item<bool>()) << name;
  }
}

}  // namespace
}  // namespace metaloom::testing
