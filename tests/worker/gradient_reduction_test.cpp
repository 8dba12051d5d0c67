#include "worker/reduction/gradient_reduction.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <mutex>

#include "core/error.h"
#include "core/registry.h"
#include "worker/reduction/update_outcome.h"

namespace metaloom {
namespace {

constexpr std::int64_t kPacks = 7;
const Phase kPhase{.name = "first", .half = Half::all, .groups = {"first"}};

FlatParams parameters() {
  Params theta;
  theta.set("a", at::zeros({5, 3}));
  theta.set("b", at::zeros({4}));
  return FlatParams(theta, {{.name = "first", .parameters = {"a", "b"}}});
}

at::Tensor gradient_of(std::int64_t pack, at::IntArrayRef shape) {
  return Rng(3).at({pack, shape[0]}).normal_tensor(shape, 1.0, at::kFloat);
}

/// The reduced gradient of kPacks packs dealt over `world` ranks, as every rank saw it.
std::vector<at::Tensor> reduce(int world, bool ordered) {
  std::vector<at::Tensor> out(world);
  run_local_world(world, {}, [&](Communicator& comm) {
    const FlatParams theta = parameters();
    GradientReduction reduction(comm, theta, kPhase, ordered);
    for (std::int64_t pack = 0; pack < kPacks; ++pack) {
      // Dealt in an order that differs between world sizes.
      if ((pack * 5) % world != comm.rank()) continue;
      reduction.start_pack(pack);
      reduction.add("a", gradient_of(pack, {5, 3}));
      if (pack % 2 == 0) reduction.add("b", gradient_of(pack, {4}));  // an absent head is zero
    }
    out[comm.rank()] = reduction.finish(kPacks).clone();
  });
  return out;
}

TEST(GradientReduction, OrderedSumsAreBitwiseEqualAtAnyWorldSize) {
  const at::Tensor alone = reduce(1, true).front();
  for (int world : {2, 3, 4, 7}) {
    for (const at::Tensor& sum : reduce(world, true)) EXPECT_TRUE(at::equal(sum, alone)) << world;
  }
}

TEST(GradientReduction, TakesGradientsByRows) {
  const auto comm = Registry<Communicator>::make("local", CommOptions{});
  const FlatParams theta = parameters();
  const at::Tensor row_N = at::tensor({3, 1, 3}, at::kLong), values_N3 = gradient_of(0, {3, 3});
  for (bool ordered : {false, true}) {
    GradientReduction reduction(*comm, theta, kPhase, ordered);
    reduction.start_pack(0);
    reduction.add("a", gradient_of(1, {5, 3}));
    reduction.add("a", at::sparse_coo_tensor(row_N.unsqueeze(0), values_N3, {5, 3}));
    const at::Tensor want = gradient_of(1, {5, 3}).index_add(0, row_N, values_N3);
    EXPECT_TRUE(at::allclose(reduction.finish(1).narrow(0, 0, 15).view({5, 3}), want));
  }
}

TEST(GradientReduction, NormOfAnyNumberOfParameters) {
  const auto comm = Registry<Communicator>::make("local", CommOptions{});
  for (std::int64_t count : {1, 4095, 4096, 10000}) {
    Params values;
    values.set("a", at::zeros({count}));
    const FlatParams theta(values, {{.name = "first", .parameters = {"a"}}});
    GradientReduction reduction(*comm, theta, kPhase, false);
    const at::Tensor gradient = gradient_of(0, {count});
    reduction.add("a", gradient);
    reduction.finish(1);
    EXPECT_NEAR(reduction.norm(), gradient.to(at::kDouble).norm().item<double>(), 1e-5) << count;
    gradient[count - 1] = std::numeric_limits<float>::infinity();
    reduction.add("a", gradient);
    EXPECT_FALSE(std::isfinite(reduction.norm())) << count;
  }
}

TEST(GradientReduction, DefaultSumsAgreeToRounding) {
  const at::Tensor ordered = reduce(1, true).front();
  for (int world : {1, 2, 3, 4, 7}) {
    for (const at::Tensor& sum : reduce(world, false)) {
      EXPECT_TRUE(at::allclose(sum, ordered, 1e-5, 1e-6)) << world;
    }
  }
}

TEST(GradientReduction, RefusesAGradientOfAnUntrainedParameter) {
  run_local_world(1, {}, [&](Communicator& comm) {
    const FlatParams theta = parameters();
    GradientReduction reduction(comm, theta, kPhase, false);
    EXPECT_THROW(reduction.add("c", at::zeros({4})), Error);
    EXPECT_THROW(reduction.add("b", at::zeros({3})), Error);
  });
}

TEST(UpdateOutcome, LeavesNonFiniteTasksOutOfTheDivisorAndNamesThem) {
  for (int world : {1, 2, 4}) {
    run_local_world(world, {}, [&](Communicator& comm) {
      UpdateOutcome outcome;
      for (std::int64_t pack = comm.rank(); pack < 4; pack += comm.size()) {
        TaskOutcome task{.task = {.index = pack}, .weight = 2.0, .loss = 1.0 + pack, .tokens = 10};
        task.metrics["accuracy"] = 0.25 * static_cast<double>(pack);
        if (pack == 3) {
          task.finite = false;
          task.loss = std::numeric_limits<double>::quiet_NaN();
          task.metrics["accuracy"] = std::numeric_limits<double>::quiet_NaN();
        }
        outcome.add(pack, {task});
      }
      outcome.exchange(comm);
      EXPECT_DOUBLE_EQ(outcome.divisor(), 6);
      EXPECT_DOUBLE_EQ(outcome.loss(), 2);
      EXPECT_DOUBLE_EQ(outcome.metrics().at("accuracy"), 0.25);
      EXPECT_EQ(outcome.tokens(), 40);
      ASSERT_EQ(outcome.non_finite().size(), 1u);
      EXPECT_EQ(outcome.non_finite()[0].index, 3);
      for (std::int64_t i = 0; i < 4; ++i) EXPECT_EQ(outcome.tasks()[i].task.index, i);
    });
  }
}

TEST(UpdateOutcome, WithoutAFiniteTaskItHasNoLoss) {
  run_local_world(2, {}, [&](Communicator& comm) {
    UpdateOutcome outcome;
    outcome.add(comm.rank(), {{.task = {.index = comm.rank()}, .loss = 1.0, .finite = false}});
    outcome.exchange(comm);
    EXPECT_EQ(outcome.divisor(), 0);
    EXPECT_TRUE(std::isnan(outcome.loss()));  // null in metrics.jsonl, which no curve shows
  });
}

}  // namespace
}  // namespace metaloom
