// Laws of every registered head, on a made-up task of the family whose tasks it reads. States are
// random: a head is a function of them, whatever encoder they come from.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/registry.h"
#include "methods/muppet/head.h"
#include "tests/methods/tiny_batches.h"

namespace metaloom {
namespace {

/// What a head says of one task.
struct Said {
  at::Tensor loss_Q;
  std::vector<double> outcomes_Q;
  std::vector<Measure> measures;
};

class HeadLaws : public ::testing::TestWithParam<std::string> {
 protected:
  HeadLaws() {
    for (const Task& task : world_.tasks) {  // all rows of both tasks, in one
      for (Example row : task.query) {
        row.row = static_cast<std::int64_t>(task_.query.size());
        task_.query.push_back(row);
      }
      task_.dataset = task.dataset;
      task_.classes = task.classes;
    }
  }

  const DatasetInfo& dataset() const { return *task_.dataset; }
  Task task_of(const std::vector<std::size_t>& rows) const {
    Task out = task_;
    out.query.clear();
    for (const std::size_t row : rows) out.query.push_back(task_.query.at(row));
    return out;
  }
  Task part(std::size_t first, std::size_t last) const {
    std::vector<std::size_t> rows;
    for (std::size_t row = first; row < last; ++row) rows.push_back(row);
    return task_of(rows);
  }

  Batch framed(const Task& task) const {
    std::vector<const Example*> rows;
    for (const Example& row : task.query) rows.push_back(&row);
    return head_->frame(rows);
  }

  /// States of a task's rows, each a function of its example alone; at padding anything.
  at::Tensor states(const Task& task, double padding = 0) const {
    const Batch batch = framed(task);
    const std::int64_t length = batch.ids_RL.size(1), width = 16;
    std::vector<at::Tensor> out;
    for (const Example& example : task.query) {
      const Batch own = head_->frame({&example});
      const std::int64_t rows = own.rows(), real = own.ids_RL.size(1);
      const Rng rng = Rng(5).at({example.row});
      if (head_->reads() == Reads::rows) {
        out.push_back(rng.normal_tensor({rows, width}, 1, at::kDouble));
        continue;
      }
      at::Tensor all_RLD = at::full({rows, length, width}, padding, at::kDouble);
      all_RLD.narrow(1, 0, real).copy_(rng.normal_tensor({rows, real, width}, 1, at::kDouble));
      out.push_back(all_RLD);
    }
    return at::cat(out);
  }

  Said said(const Params& theta, const Task& task, const at::Tensor& states) const {
    const SharedWeights weights(world_.pretrained.weights.merged_with(theta));
    const FramedTask rows{task, framed(task)};
    const at::Tensor answers = head_->answers({rows, weights, states});
    return {head_->losses_Q(answers, rows), head_->outcomes_Q(rows),
            head_->measures(answers.detach(), rows)};
  }

  /// Parameters that are all at work.
  Params random_theta() const {
    std::int64_t index = 0;
    return head_->initial(dataset()).map([&](const at::Tensor& value) {
      return Rng(9).at({index++}).normal_tensor(value.sizes(), 0.5, at::kDouble);
    });
  }

  TinyBatches world_{{GetParam()}};
  Template frame_ = Template::plain(world_.pretrained, 24);
  std::unique_ptr<Head> head_ =
      Registry<Head>::make(GetParam(), HeadIngredients{world_.pretrained, frame_, Rng(3), 0.1});
  Task task_;
};

TEST_P(HeadLaws, EqualScoresCostOneOnceDividedByLogN) {
  const Params zero =
      head_->initial(dataset()).map([](const at::Tensor& value) { return at::zeros_like(value); });
  const Said uniform = said(zero, task_, states(task_));
  ASSERT_EQ(uniform.loss_Q.sizes(), at::IntArrayRef({std::ssize(task_.query)}));
  if (uniform.outcomes_Q.empty()) return;  // not a loss over outcomes
  ASSERT_EQ(uniform.outcomes_Q.size(), task_.query.size());
  for (std::size_t q = 0; q < task_.query.size(); ++q) {
    EXPECT_GE(uniform.outcomes_Q[q], 2);
    EXPECT_NEAR(uniform.loss_Q[static_cast<std::int64_t>(q)].item<double>() /
                    std::log(uniform.outcomes_Q[q]),
                1, 1e-12);
  }
}

TEST_P(HeadLaws, ParametersAreNamedAfterItAndAPureFunction) {
  const Params theta = head_->initial(dataset());
  const std::string prefix = head_->prefix(dataset());
  EXPECT_TRUE(prefix.starts_with("head.")) << "muppet's groups are told by it";
  const Params again = head_->initial(dataset());
  for (const auto& [name, value] : theta) {
    EXPECT_TRUE(name.starts_with(prefix + ".")) << name;
    EXPECT_TRUE(value.equal(again.at(name))) << name;
  }
  DatasetInfo other = dataset();
  other.name = "another";
  const bool shared = head_->prefix(other) == prefix;
  EXPECT_EQ(head_->initial(other).names() == theta.names(), shared || theta.empty());
}

// A bias may well get none: candidates that all get it are chosen as before.
TEST_P(HeadLaws, EveryMatrixAndTheStatesGetAFiniteGradient) {
  Params theta = random_theta();
  theta.set("states", states(task_));
  const Params leaves = theta.leaves();
  const at::Tensor loss = said(leaves, task_, leaves.at("states")).loss_Q.mean();
  for (const auto& [name, value] : grad(loss, leaves)) {
    EXPECT_TRUE(value.isfinite().all().item<bool>()) << name;
    if (value.dim() > 1) {
      EXPECT_GT(value.abs().max().item<double>(), 0) << name;
    }
  }
}

TEST_P(HeadLaws, PaddingAndTheOrderOfRowsChangeNothing) {
  const Params theta = random_theta();
  const Said all = said(theta, task_, states(task_));
  const Said padded = said(theta, task_, states(task_, 1e3));
  EXPECT_LT((all.loss_Q - padded.loss_Q).abs().max().item<double>(), 1e-12);
  EXPECT_EQ(all.outcomes_Q, padded.outcomes_Q);
  const auto count = static_cast<std::int64_t>(task_.query.size());
  const auto order = Rng(4).permutation(count);
  const Task mixed = task_of({order.begin(), order.end()});
  const Said other = said(theta, mixed, states(mixed));
  for (std::int64_t q = 0; q < count; ++q) {
    EXPECT_NEAR(other.loss_Q[q].item<double>(), all.loss_Q[order[q]].item<double>(), 1e-12);
    const Task alone = task_of({static_cast<std::size_t>(q)});
    const Said one = said(theta, alone, states(alone));
    EXPECT_NEAR(one.loss_Q[0].item<double>(), all.loss_Q[q].item<double>(), 1e-12);
    if (!one.outcomes_Q.empty()) {
      EXPECT_EQ(one.outcomes_Q[0], all.outcomes_Q[static_cast<std::size_t>(q)]);
    }
  }
}

TEST_P(HeadLaws, MeasuresOfPartsTogetherAreThoseOfTheWhole) {
  const Params theta = random_theta();
  const Said whole = said(theta, task_, states(task_));
  const Task first = part(0, 3), second = part(3, task_.query.size());
  const Said a = said(theta, first, states(first)), b = said(theta, second, states(second));
  ASSERT_GE(whole.measures.size(), 2u);
  EXPECT_NE(whole.measures[0].name, kLoss) << "the measure that counts comes first";
  for (std::size_t m = 0; m < whole.measures.size(); ++m) {
    const Measure& expected = whole.measures[m];
    const Measure found = together({a.measures.at(m), b.measures.at(m)});
    EXPECT_EQ(found.name, expected.name);
    EXPECT_EQ(found.count, expected.count);
    EXPECT_EQ(found.each, expected.each);
    EXPECT_NEAR(estimate_of(found).value, estimate_of(expected).value, 1e-12) << found.name;
  }
  const Measure loss = measured(whole.measures, kLoss);
  EXPECT_NEAR(loss.mean, whole.loss_Q.mean().item<double>(), 1e-12);
}

INSTANTIATE_TEST_SUITE_P(Registered, HeadLaws, ::testing::ValuesIn(Registry<Head>::names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace metaloom
