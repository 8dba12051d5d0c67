#include "worker/optimizer/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/registry.h"
#include "tests/core/expect_error.h"

namespace metaloom {
namespace {

const Phase kPhase{.name = "all", .half = Half::all, .groups = {"decayed", "plain"}};

at::Tensor numbers(std::vector<double> values) {
  return at::tensor(values, at::kDouble);
}

FlatParams three_numbers() {
  Params theta;
  theta.set("a", numbers({1.0, -2.0}));
  theta.set("b", numbers({0.5}));
  theta.set("state", at::tensor({7}, at::kLong));
  return FlatParams(
      theta, {{.name = "decayed", .parameters = {"a"}}, {.name = "plain", .parameters = {"b"}}});
}

std::vector<double> flat(const FlatParams& theta) {
  const auto* data = theta.flat().const_data_ptr<double>();
  return {data, data + theta.flat().numel()};
}

void expect_near(const std::vector<double>& got, const std::vector<double>& want,
                 double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], tolerance) << i;
}

void three_steps(Optimizer& optimizer) {
  for (int k = 0; k < 3; ++k) {
    optimizer.step(numbers({0.3, -0.1, 2.0}) * (k + 1), kPhase, k, 3);
  }
}

OptimizerOptions constant(const std::string& name) {
  return {.name = name, .rate = 0.1, .schedule = Schedule::constant, .warmup = 0, .clip = 0};
}

// Golden values: torch.optim.AdamW(lr=0.1, betas=(0.9, 0.99), weight_decay=0.05) and
// torch.optim.SGD(lr=0.1, momentum=0.9) of torch 2.11, gradients (0.3, -0.1, 2.0) * k, fp64.
TEST(Optimizer, AdamWEqualsTorch) {
  FlatParams theta = three_numbers();
  OptimizerOptions options = constant("adamw");
  options.beta2 = 0.99;
  options.weight_decay = 0.05;
  Optimizer optimizer(options, theta);
  three_steps(optimizer);
  expect_near(flat(theta), {0.694613427461, -1.679688316039, 0.202075984190}, 1e-10);
}

TEST(Optimizer, AGroupMayHaveItsOwnDecayAndFirstMoment) {
  Params values;
  values.set("a", numbers({1.0, -2.0}));
  values.set("b", numbers({0.5}));
  FlatParams theta(values, {{.name = "decayed", .parameters = {"a"}, .decay = 0.05, .beta1 = 0.9},
                            {.name = "plain", .parameters = {"b"}}});
  OptimizerOptions options = constant("adamw");
  options.beta1 = 0.5;
  options.beta2 = 0.99;
  Optimizer optimizer(options, theta);
  three_steps(optimizer);
  // As in AdamWEqualsTorch; "plain" as a group of its own under the options.
  const std::vector<double> both = flat(theta);
  expect_near({both[0], both[1]}, {0.694613427461, -1.679688316039}, 1e-10);
  FlatParams other = three_numbers();
  Optimizer alone(options, other);
  three_steps(alone);
  EXPECT_EQ(both[2], flat(other)[2]);
  EXPECT_NE(both[0], flat(other)[0]);
}

TEST(Optimizer, SgdEqualsTorch) {
  FlatParams theta = three_numbers();
  OptimizerOptions options = constant("sgd");
  options.momentum = 0.9;
  Optimizer optimizer(options, theta);
  three_steps(optimizer);
  expect_near(flat(theta), {0.7147, -1.9049, -1.402}, 1e-12);
}

TEST(Optimizer, ClipsLongGradientsOnly) {
  FlatParams theta = three_numbers();
  OptimizerOptions options = constant("sgd");
  EXPECT_EQ(Optimizer(options, theta).clip(5), 1);  // off
  options.clip = 1;
  EXPECT_NEAR(Optimizer(options, theta).clip(5), 0.2, 1e-9);
  EXPECT_EQ(Optimizer(options, theta).clip(0.5), 1);
}

TEST(Optimizer, LeavesTheGroupsOfOtherPhasesAlone) {
  for (const std::string& name : Registry<UpdateRule>::names()) {
    FlatParams theta = three_numbers();
    Optimizer optimizer(constant(name), theta);
    optimizer.step(numbers({1, 1, 1}), {.name = "b", .half = Half::all, .groups = {"plain"}}, 0, 1);
    EXPECT_EQ(flat(theta)[0], 1.0) << name;
    EXPECT_EQ(flat(theta)[1], -2.0) << name;
    EXPECT_NE(flat(theta)[2], 0.5) << name;
  }
}

TEST(Optimizer, GoesOnFromItsSavedState) {
  for (const std::string& name : Registry<UpdateRule>::names()) {
    FlatParams whole = three_numbers(), parted = three_numbers();
    OptimizerOptions options = constant(name);
    options.momentum = 0.9;
    Optimizer first(options, whole);
    three_steps(first);
    three_steps(first);
    Optimizer before(options, parted);
    three_steps(before);
    const Archive saved = Archive::parse(before.save().image(), "test");
    Optimizer after(options, parted);
    after.load(saved);
    three_steps(after);
    EXPECT_EQ(flat(whole), flat(parted)) << name;
  }
}

TEST(Optimizer, RefusesAStateOfAnotherModel) {
  FlatParams theta = three_numbers();
  Optimizer optimizer(constant("adamw"), theta);
  three_steps(optimizer);
  const Archive saved = optimizer.save();
  const auto without = [&](const std::string& gone, const at::Tensor& instead) {
    Archive out;
    for (const auto& [path, value] : saved.tensors()) {
      if (!path.ends_with(gone)) out.put(path, value);
      if (path.ends_with(gone) && instead.defined()) out.put(path, instead);
    }
    return out;
  };
  EXPECT_NO_THROW(optimizer.load(without("/none", {})));
  EXPECT_ERROR(optimizer.load(without("/b", {})), Fault::data, "of b", "new run folder");
  // One number would be broadcast over both.
  EXPECT_ERROR(optimizer.load(without("/a", numbers({1}))), Fault::data, "of a", "[1]", "[2]");
}

TEST(LearningRate, WarmsUpThenFollowsTheSchedule) {
  OptimizerOptions options = constant("sgd");
  options.warmup = 0.1;
  for (const Schedule each : {Schedule::constant, Schedule::linear, Schedule::cosine}) {
    options.schedule = each;
    const std::string schedule = word_of(each);
    double before = 0;
    for (int step = 0; step < 10; ++step) {
      EXPECT_GT(learning_rate(options, step, 100), before) << schedule;
      before = learning_rate(options, step, 100);
    }
    EXPECT_DOUBLE_EQ(learning_rate(options, 10, 100), options.rate) << schedule;
    for (int step = 11; step < 100; ++step) {
      const double rate = learning_rate(options, step, 100);
      EXPECT_LE(rate, options.rate) << schedule;
      if (schedule != "constant") {
        EXPECT_LT(rate, learning_rate(options, step - 1, 100));
      }
    }
  }
}

}  // namespace
}  // namespace metaloom
