// Derivatives of every registered backbone: all parameters get one, the soft tokens too, and the
// math path has a second derivative that finite differences confirm in fp64.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/registry.h"
#include "tests/models/random_model.h"

namespace metaloom::testing {
namespace {

at::Tensor any_loss(const Backbone& backbone, const Weights& weights, const Batch& batch,
                    const ForwardOptions& options) {
  const at::Tensor hidden_RLD = backbone.encode(weights, batch, options);
  const at::Tensor states_RD = hidden_RLD.select(1, 1);
  const at::Tensor loss =
      backbone.word_logits(weights, states_RD, {}).log_softmax(1).select(1, 3).mean();
  if (!has(backbone, Part::pooler)) return loss;
  return loss + backbone.pooled(weights, hidden_RLD).square().mean();
}

TEST(BackboneGradients, ReachEveryParameter) {
  for (const std::string& name : Registry<Backbone>::names()) {
    EXPECT_TRUE(rc::check(name, [&] {
      const Shape shape = any_shape();
      const auto backbone = backbone_of(name, shape);
      const Params params = weights_of(*backbone, shape, at::kDouble).leaves();
      ForwardOptions options;
      options.attention = *rc::gen::element(Attention::fused, Attention::math);
      // Whoever sees a word and its like alone has no slope for queries and keys.
      const Batch batch = batch_of(shape);
      batch.ids_RL.select(1, 1).copy_((batch.ids_RL.select(1, 0) + 1) % shape.vocabulary);
      const Params gradient =
          grad(any_loss(*backbone, SharedWeights(params), batch, options), params);
      for (const auto& [full_name, value] : gradient) {
        RC_LOG() << full_name << "\n";
        RC_ASSERT(value.isfinite().all().item<bool>());
        // softmax does not see what is added to all keys.
        if (full_name.ends_with(".bias") && (full_name.find(".k") != std::string::npos ||
                                             full_name.find("_key") != std::string::npos))
          continue;
        RC_ASSERT(value.abs().max().item<double>() > 1e-12);
      }
    }));
  }
}

// h^T (d2 loss / d x2) h by double backward and by central differences of the gradient.
TEST(BackboneGradients, SecondDerivativeEqualsFiniteDifferences) {
  for (const std::string& name : Registry<Backbone>::names()) {
    Shape shape;
    shape.tasks = 2;
    const auto backbone = backbone_of(name, shape);
    Params theta = weights_of(*backbone, shape, at::kDouble);
    Batch batch = batch_of(shape);
    batch.slot_RL = at::full_like(batch.ids_RL, -1);
    batch.slot_RL.select(1, 1).fill_(0);
    const Rng dropout(3, "dropout");
    const Rng rng(5, "directions");
    theta.set("soft", rng.at("soft").normal_tensor({2, 1, 8}, 0.5, at::kDouble));
    const Params h = theta.map([&](const at::Tensor& value) {
      return rng.at({value.numel()}).normal_tensor(value.sizes(), 1, at::kDouble);
    });
    const auto gradient = [&](const Params& at_theta, bool create_graph) {
      ForwardOptions options;
      options.attention = Attention::math;
      options.soft_TPD = at_theta.at("soft");
      options.dropout = &dropout;
      return grad(any_loss(*backbone, SharedWeights(at_theta), batch, options), at_theta,
                  create_graph);
    };
    const Params leaves = theta.leaves();
    const Params exact = vjp(gradient(leaves, true), h, leaves);
    constexpr double kStep = 1e-5;
    const Params ahead = gradient(axpy(kStep, h, theta).leaves(), false);
    const Params behind = gradient(axpy(-kStep, h, theta).leaves(), false);
    const Params finite =
        axpy(-1, behind, ahead).map([](const at::Tensor& value) { return value / (2 * kStep); });
    const Params gap = axpy(-1, exact, finite);
    const double relative = (dot(gap, gap) / dot(exact, exact)).sqrt().item<double>();
    EXPECT_LE(relative, 1e-6) << name;
    EXPECT_GT(exact.at("soft").abs().max().item<double>(), 1e-6) << name;
  }
}

}  // namespace
}  // namespace metaloom::testing
