// T tasks in one pass against T passes: outputs and gradients, for any subset of per-task tensors.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/error.h"
#include "core/registry.h"
#include "tests/models/random_model.h"

namespace metaloom::testing {
namespace {

// Everything a backbone computes from a batch, as one number per row.
at::Tensor outputs_R(const Backbone& backbone, const Weights& weights, const Batch& batch) {
  ForwardOptions options;
  const at::Tensor hidden_RLD = backbone.encode(weights, batch, options);
  options.keep_R = batch.read_at_R;
  const at::Tensor states_RD = backbone.encode(weights, batch, options);
  const at::Tensor some = at::arange(1, 6);
  const at::Tensor pooled_RD =
      has(backbone, Part::pooler) ? backbone.pooled(weights, hidden_RLD) : hidden_RLD.select(1, 0);
  return pooled_RD.sum(1) + backbone.word_logits(weights, states_RD, some).square().sum(1) +
         backbone.word_logits(weights, states_RD, {}).log_softmax(1).select(1, 0);
}

TEST(TaskWeights, EqualSeparateWeightsOfEachTask) {
  for (const std::string& name : Registry<Backbone>::names()) {
    EXPECT_TRUE(rc::check(name, [&] {
      const Shape shape = any_shape();
      const auto backbone = backbone_of(name, shape);
      const Params shared = weights_of(*backbone, shape, at::kDouble).leaves();
      const Batch batch = batch_of(shape);
      const auto percent = *rc::gen::element(0, 30, 100);
      Params per_task;
      const Rng rng(shape.seed, "tasks");
      for (const auto& [full_name, value] : shared) {
        if (rng.at(full_name).below(0, 100) >= percent) continue;
        std::vector<std::int64_t> sizes = value.sizes().vec();
        sizes.insert(sizes.begin(), shape.tasks);
        per_task.set(full_name,
                     value.detach() + rng.at(full_name).normal_tensor(sizes, 0.2, at::kDouble));
      }
      per_task = per_task.leaves();
      const TaskWeights together(shared, per_task, shape.tasks);
      const at::Tensor out_R = outputs_R(*backbone, together, batch);
      const Params gradient = grad(out_R.sum(), per_task);
      for (std::int64_t t = 0; t < shape.tasks; ++t) {
        const at::Tensor rows = at::arange(t * shape.rows_each, (t + 1) * shape.rows_each);
        const Params own =
            per_task.map([t](const at::Tensor& value) { return value.detach()[t]; }).leaves();
        const SharedWeights alone(shared.merged_with(own));
        const at::Tensor alone_R = outputs_R(*backbone, alone, rows_of(batch, rows));
        RC_ASSERT(difference(out_R.index_select(0, rows), alone_R) <= 1e-10);
        for (const auto& [full_name, value] : grad(alone_R.sum(), own)) {
          const double scale = 1e-3 + value.abs().max().item<double>();
          const double gap = (gradient.at(full_name)[t] - value).abs().max().item<double>();
          RC_ASSERT(gap <= 1e-9 * scale);
        }
      }
    }));
  }
}

TEST(TaskWeights, ATiedDecoderMayHaveNoBias) {
  const Rng rng(3);
  const at::Tensor own_TVD = rng.at("own").normal_tensor({2, 5, 4}, 1, at::kDouble);
  const at::Tensor x_ND = rng.at("x").normal_tensor({6, 4}, 1, at::kDouble);
  const TaskWeights both({}, Params({{"words.weight", own_TVD}}), 2);
  const at::Tensor some = at::tensor({4, 1}, at::kLong);
  for (const at::Tensor& ids : {at::Tensor(), some}) {
    for (std::int64_t t = 0; t < 2; ++t) {
      const SharedWeights alone(Params({{"words.weight", own_TVD[t]}}));
      const at::Tensor rows = x_ND.narrow(0, 3 * t, 3);
      const at::Tensor wanted = alone.tied_decoder("words", "", rows, ids);
      EXPECT_TRUE(at::allclose(wanted, ids.defined()
                                           ? rows.matmul(own_TVD[t].t()).index_select(1, ids)
                                           : rows.matmul(own_TVD[t].t())));
      EXPECT_TRUE(
          at::allclose(both.tied_decoder("words", "", x_ND, ids).narrow(0, 3 * t, 3), wanted));
    }
  }
}

TEST(TaskWeights, RowsThatDoNotDivideAmongTasksAreRefused) {
  Params per_task;
  per_task.set("a.weight", at::ones({2, 3, 4}));
  const TaskWeights weights({}, per_task, 2);
  EXPECT_EQ(weights.linear("a", at::ones({4, 5, 4})).sizes(), at::IntArrayRef({4, 5, 3}));
  EXPECT_THROW(weights.linear("a", at::ones({3, 5, 4})), Error);
}

TEST(TaskWeights, ATensorWithoutTheTaskDimensionIsRefused) {
  Params per_task;
  per_task.set("a.weight", at::ones({3, 4}));
  EXPECT_THROW(TaskWeights({}, per_task, 2), Error);
}

}  // namespace
}  // namespace metaloom::testing
