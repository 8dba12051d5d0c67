#include "core/params.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <thread>

#include "core/rng.h"
#include "tests/core/expect_error.h"

namespace metaloom {
namespace {

Params two() {
  Params out;
  out.set("b", at::tensor({1.0, 2.0}, at::kDouble));
  out.set("a", at::tensor({3.0}, at::kDouble));
  return out;
}

TEST(Params, AreOrderedByName) {
  EXPECT_EQ(two().names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(two().numel(), 3);
  EXPECT_EQ(two().tensors()[0].item<double>(), 3.0);
}

TEST(Params, NameTheNearestOfAnUnknownOne) {
  Params params;
  params.set("pooler.dense.weight", at::zeros({1}));
  EXPECT_ERROR(params.at("pooler.dense.wieght"), Fault::internal,
               "Did you mean \"pooler.dense.weight\"?");
}

TEST(Params, AreValues) {
  const Params params = two();
  Params other = params;
  other.set("a", at::zeros({1}));
  EXPECT_EQ(params.at("a").item<double>(), 3.0);
  const Params moved = axpy(-0.5, params, params);
  EXPECT_EQ(moved.at("b")[1].item<double>(), 1.0);
  EXPECT_EQ(params.at("b")[1].item<double>(), 2.0);
}

TEST(Params, MergeSelectAndZip) {
  Params over;
  over.set("b", at::zeros({2}));
  over.set("c", at::ones({1}));
  const Params merged = two().merged_with(over);
  EXPECT_EQ(merged.names(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(merged.at("b").sum().item<double>(), 0.0);
  EXPECT_EQ(merged.select([](std::string_view name) { return name != "b"; }).size(), 2u);
  const auto sum = two().zip(merged, [](const auto& x, const auto& y) { return x + y; });
  EXPECT_EQ(sum.at("a").item<double>(), 6.0);
  EXPECT_ERROR(merged.zip(two(), [](const auto& x, const auto&) { return x; }), Fault::internal,
               "\"c\"");
}

TEST(Params, TakeTensorsInOrder) {
  const auto params = two().with_tensors({at::ones({1}), at::zeros({2})});
  EXPECT_EQ(params.at("a").item<double>(), 1.0);
  EXPECT_ERROR(two().with_tensors({at::ones({1})}), Fault::internal, "1 tensors given for 2");
}

TEST(Params, LeavesDoNotTouchTheOriginal) {
  const Params params = two();
  const Params leaves = params.leaves();
  EXPECT_TRUE(leaves.at("a").requires_grad());
  EXPECT_FALSE(params.at("a").requires_grad());
  EXPECT_FALSE(leaves.detached().at("a").requires_grad());
}

TEST(Grad, OfAQuadratic) {
  const Params leaves = two().leaves();
  const Params gradient = grad(dot(leaves, leaves), leaves);
  EXPECT_TRUE(at::equal(gradient.at("b"), 2 * leaves.at("b")));
  EXPECT_FALSE(gradient.at("b").requires_grad());
}

TEST(Grad, IsZeroWhereNothingDepends) {
  Params leaves = two().leaves();
  const auto loss = leaves.at("a").pow(2).sum();
  leaves.set("frozen", at::ones({2, 2}));  // needs no gradient at all
  const Params gradient = grad(loss, leaves);
  EXPECT_EQ(gradient.at("a").item<double>(), 6.0);
  EXPECT_TRUE(at::equal(gradient.at("b"), at::zeros({2}, at::kDouble)));
  EXPECT_TRUE(at::equal(gradient.at("frozen"), at::zeros({2, 2})));
  EXPECT_TRUE(at::equal(grad(at::ones({}), leaves).at("a"), at::zeros({1}, at::kDouble)));
}

TEST(Grad, OfAGradientByDoubleBackward) {
  // f = sum x^3: gradient 3 x^2, Hessian diag(6 x).
  const Params leaves = two().leaves();
  const auto cube = [](const at::Tensor& x) { return x.pow(3).sum(); };
  const auto loss = cube(leaves.at("a")) + cube(leaves.at("b"));
  const Params first = grad(loss, leaves, /*create_graph=*/true);
  const Params v = two();
  const Params product = vjp(first, v, leaves);
  EXPECT_TRUE(at::allclose(product.at("b"), 6 * leaves.at("b") * v.at("b")));
  const Params again = grad(dot(grad(loss, leaves, true), v), leaves);
  EXPECT_TRUE(at::allclose(again.at("a"), product.at("a")));
}

TEST(Vjp, IsZeroForOutputsWithoutGraph) {
  const Params leaves = two().leaves();
  const Params product = vjp(two(), two(), leaves);
  EXPECT_EQ(product.at("b").abs().sum().item<double>(), 0.0);
}

TEST(Vjp, HoldsCotangentsConstant) {
  const Params leaves = two().leaves();
  Params outputs;
  outputs.set("y", leaves.at("a") * 2);
  Params cotangents;
  cotangents.set("y", leaves.at("a"));  // carries a graph, which must not count
  EXPECT_EQ(vjp(outputs, cotangents, leaves).at("a").item<double>(), 6.0);
}

TEST(Grad, RunsInManyThreadsAtOnce) {
  const Params shared = two();
  std::vector<std::thread> threads;
  std::vector<double> results(8);
  for (std::size_t i = 0; i < results.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int repeat = 0; repeat < 50; ++repeat) {
        const Params leaves = shared.leaves();
        const auto scaled = dot(leaves, leaves) * static_cast<double>(i);
        results[i] = grad(scaled, leaves).at("a").item<double>();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (std::size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i], 6.0 * static_cast<double>(i));
  }
}

}  // namespace
}  // namespace metaloom
