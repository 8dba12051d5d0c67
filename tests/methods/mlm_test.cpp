// mlm: how many pieces are hidden and how, that evaluations are comparable, and that a model
// without an MLM head gets one that learns.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/registry.h"
#include "tests/core/expect_error.h"
#include "tests/methods/tiny_batches.h"

namespace metaloom {
namespace {

std::unique_ptr<Method> make(const TinyBatches& world, const Table& section = {}) {
  return Registry<Method>::make("mlm", section, world.ingredients());
}

TEST(Mlm, OnlyTextIsHiddenAndAtLeastOnePieceOfIt) {
  const TinyBatches world({"pairs"});
  Table section;
  section.set("share", 0.001);
  section.set("masked", 1.0);
  section.set("random", 0.0);
  const auto method = make(world, section);
  const Batch batch = method->batch({world.tasks[0]}, false);
  const at::Tensor hidden_R =
      batch.ids_RL.eq(world.pretrained.tokenizer->special(Special::mask)).sum(1);
  EXPECT_TRUE(hidden_R.eq(1).all().item<bool>()) << hidden_R;
  EXPECT_TRUE(batch.ids_RL.select(1, 0)
                  .eq(world.pretrained.tokenizer->special(Special::begin))
                  .all()
                  .item<bool>());
  EXPECT_TRUE(batch.ids_RL.eq(world.pretrained.tokenizer->special(Special::end))
                  .sum(1)
                  .eq(2)
                  .all()
                  .item<bool>());
}

TEST(Mlm, HiddenSharesAreAsAsked) {
  TinyBatches world({"classification"});
  std::vector<std::int32_t> text;
  for (int i = 0; i < 22; ++i) text.push_back(20 + i);
  Task task = world.tasks[0];
  task.query.assign(400, Example{{text}, 0, 0});
  Table section;
  section.set("share", 0.3);
  const auto method = make(world, section);
  const Batch batch = method->batch({task}, false);
  const at::Tensor ids_RL = batch.ids_RL.narrow(1, 1, 22);
  const at::Tensor real_L = at::tensor(std::vector<std::int64_t>(text.begin(), text.end()));
  const double all = 400 * 22;
  const at::Tensor masked_RL = ids_RL.eq(world.pretrained.tokenizer->special(Special::mask));
  const double masked = masked_RL.sum().item<double>() / all;
  const double other =
      ids_RL.ne(real_L).logical_and(masked_RL.logical_not()).sum().item<double>() / all;
  EXPECT_NEAR(masked, 0.3 * 0.8, 0.02);  // 4 standard errors
  EXPECT_NEAR(other, 0.3 * 0.1 * 63 / 64, 0.008);
}

TEST(Mlm, EvaluationHidesTheSamePiecesAtEveryStep) {
  const TinyBatches world({"classification"});
  const auto method = make(world);
  const Params theta = method->initial();
  StepContext early{1, 8, Rng(1)}, late{7, 8, Rng(2)};
  EXPECT_EQ(method->evaluate(theta, world.tasks[0], early),
            method->evaluate(theta, world.tasks[0], late));
  CapturedGradients sink;
  EXPECT_NE(method->gradients(theta, {world.tasks[0]}, early, sink)[0].loss,
            method->gradients(theta, {world.tasks[0]}, late, sink)[0].loss);
}

TEST(Mlm, AModelWithoutAHeadGetsOneThatLearns) {
  TinyBatches world({"classification", "multiple_choice"});
  world.pretrained.weights = world.pretrained.weights.select(
      [](std::string_view name) { return !name.starts_with("cls."); });
  Table section;
  section.set("dropout", 0.0);
  const auto method = make(world, section);
  Params theta = method->initial();
  EXPECT_TRUE(theta.contains("model.cls.predictions.transform.dense.weight"));
  const double before = measured(method->evaluate(theta, world.tasks[0], {}), kLoss).mean;
  for (std::int64_t step = 0; step < 40; ++step) {
    CapturedGradients sink;
    method->gradients(theta, world.tasks, {step, 40, Rng(5).at({step})}, sink);
    theta = axpy(-0.02, sink.sums, theta);
  }
  EXPECT_LT(measured(method->evaluate(theta, world.tasks[0], {}), kLoss).mean, before - 0.3);
}

TEST(Mlm, ItTellsNoClassesApart) {
  const TinyBatches world({"classification"});
  const auto method = make(world);
  EXPECT_EQ(method->classifier(world.datasets[0]), nullptr);
  Table section;
  section.set("random", 0.3);
  EXPECT_ERROR(make(world, section), Fault::usage, "0.3", "method.masked");
}

}  // namespace
}  // namespace metaloom
