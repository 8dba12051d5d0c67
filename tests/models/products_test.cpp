// The product of rows and a matrix by oneDNN against the library's own, with derivatives.
#include "models/weights/products.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <vector>

namespace metaloom::testing {
namespace {

using Tensors = std::vector<at::Tensor>;

double distance(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

/// y, its gradients, and the gradients of their squares' sum, by x, weight and bias.
Tensors derivatives(const Tensors& inputs, const at::Tensor& y) {
  Tensors out{y};
  const Tensors first = torch::autograd::grad({y.pow(3).sum()}, inputs, {}, true, true);
  at::Tensor squares = at::zeros({}, y.options());
  for (const at::Tensor& one : first) squares = squares + one.square().sum();
  for (const at::Tensor& one : first) out.push_back(one);
  for (const at::Tensor& one : torch::autograd::grad({squares}, inputs)) out.push_back(one);
  return out;
}

void expect_same(const Tensors& inputs) {
  if (!at::hasMKLDNN()) GTEST_SKIP() << "this torch has no oneDNN";
  const at::Tensor bias = inputs.size() > 2 ? inputs[2] : at::Tensor();
  const Tensors ours = derivatives(inputs, linear_map_by_onednn(inputs[0], inputs[1], bias));
  Tensors exact;
  for (const at::Tensor& one : inputs)
    exact.push_back(one.detach().to(at::kDouble).requires_grad_(true));
  const at::Tensor y =
      exact.size() > 2 ? at::linear(exact[0], exact[1], exact[2]) : at::linear(exact[0], exact[1]);
  const Tensors theirs = derivatives(exact, y);
  ASSERT_EQ(ours.size(), theirs.size());
  for (std::size_t n = 0; n < ours.size(); ++n) {
    EXPECT_EQ(ours[n].sizes(), theirs[n].sizes());
    EXPECT_LT(distance(ours[n], theirs[n]), 1e-5) << n;
  }
}

at::Tensor drawn(at::IntArrayRef shape) {
  return at::randn(shape).requires_grad_(true);
}

TEST(Products, OfOneDnnAreTheLibrarysWithDerivativesOfBothOrders) {
  at::manual_seed(1);
  expect_same({drawn({3, 7, 12}), drawn({5, 12}), drawn({5})});
  expect_same({drawn({40, 64}), drawn({1, 64}), drawn({1})});
  expect_same({drawn({2, 33, 17}), drawn({9, 17})});
}

TEST(Products, OfViewsAreThoseOfCopies) {
  at::manual_seed(2);
  const at::Tensor x = at::randn({12, 30}), weight = at::randn({12, 8});
  expect_same({x.t().detach().requires_grad_(true), weight.t().detach().requires_grad_(true)});
}

// Which library multiplies depends on the size alone, so that large products are tried, too.
TEST(Products, OfAnySizeAreTheLibrarys) {
  at::manual_seed(3);
  for (const std::int64_t rows : {1, 50, 700}) {
    const at::Tensor x = at::randn({rows, 192}), weight = at::randn({300, 192}),
                     bias = at::randn({300});
    const at::Tensor wanted =
        at::linear(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble));
    EXPECT_LT(distance(linear_map(x, weight, bias), wanted), 1e-5) << rows;
  }
}

TEST(Products, KeepRowsOnlyForWeightsThatAreTrained) {
  at::Tensor x = drawn({64, 32});
  const at::Tensor weight = at::randn({16, 32});
  const auto graph = [&](const at::Tensor& matrix) {
    const at::Tensor rows = x * 2;  // held by the graph alone, if at all
    const at::Tensor y = linear_map_by_onednn(rows, matrix, {});
    return std::pair(y, rows.storage().use_count());
  };
  EXPECT_LT(graph(weight).second, graph(drawn({16, 32})).second);
}

TEST(Products, OfFixedWeightsAskForNoGradient) {
  const at::Tensor x = drawn({4, 6}), weight = at::randn({3, 6});
  const at::Tensor y = linear_map_by_onednn(x, weight, {});
  EXPECT_LT(distance(torch::autograd::grad({y.sum()}, {x}).at(0), weight.sum(0).expand({4, 6})),
            1e-6);
  EXPECT_FALSE(linear_map_by_onednn(x.detach(), weight, {}).requires_grad());
}

}  // namespace
}  // namespace metaloom::testing
