// The laws of every registered reduction, on any number of ranks; beside those of the house two
// that are registered by tests only (bucketed_reduction_test.cpp, sharded_reduction_test.cpp) run
// through them.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "tests/core/this_machine.h"
#include "tests/worker/reduction_worlds.h"

namespace metaloom {
namespace {

struct ReductionLaws : testing::TestWithParam<std::tuple<std::string, int>> {
  /// Runs `rank_main` on every rank, with a reduction of this kind for a theta of its own.
  void run(const std::function<void(Communicator&, GradientReduction&, FlatParams&)>& rank_main) {
    run_local_world(std::get<1>(GetParam()), {}, [&](Communicator& comm) {
      FlatParams theta = two_groups();
      const auto reduction =
          Registry<GradientReduction>::make(std::get<0>(GetParam()), comm, theta);
      rank_main(comm, *reduction, theta);
    });
  }
};

void expect_sum(GradientReduction& reduction, const at::Tensor& whole) {
  EXPECT_TRUE(at::equal(reduction.sum(), reduction.shard().span.of(whole)));
  EXPECT_NEAR(reduction.norm(), whole.norm().item<double>(), 1e-9);
}

TEST_P(ReductionLaws, TheSumIsThatOfAllPacksInEveryUpdate) {
  run([](Communicator& comm, GradientReduction& reduction, FlatParams&) {
    const void* kept = nullptr;
    for (std::int64_t update = 0; update < 3; ++update) {
      const UpdateOutcome outcome = reduce(reduction, comm, kBoth, update);
      expect_sum(reduction, plain_sum(kBoth, update));
      EXPECT_EQ(outcome.divisor(), 2 * kPacks);
      ASSERT_EQ(std::ssize(outcome.tasks()), kPacks);
      for (std::int64_t i = 0; i < kPacks; ++i) EXPECT_EQ(outcome.tasks()[i].task.index, i);
      // Its buffers live as long as it does, and what was made of the last sum is forgotten.
      if (update > 0) {
        EXPECT_EQ(reduction.sum().data_ptr(), kept);
      }
      kept = reduction.sum().data_ptr();
      reduction.sum().fill_(0.5);
    }
  });
}

TEST_P(ReductionLaws, OnlyThePhasesGroupsAreReduced) {
  run([](Communicator& comm, GradientReduction& reduction, FlatParams&) {
    for (const Phase& phase : {kFirst, kBoth, kSecond, kFirst}) {
      reduce(reduction, comm, phase, 0);
      expect_sum(reduction, plain_sum(phase, 0));
    }
  });
}

TEST_P(ReductionLaws, ATaskThatIsNotFiniteIsLeftOutAndNamed) {
  run([](Communicator& comm, GradientReduction& reduction, FlatParams&) {
    for (std::int64_t left_out = 0; left_out < kPacks; ++left_out) {
      const UpdateOutcome outcome = reduce(reduction, comm, kBoth, 1, left_out);
      expect_sum(reduction, plain_sum(kBoth, 1, left_out));
      EXPECT_EQ(outcome.divisor(), 2 * (kPacks - 1));
      ASSERT_EQ(outcome.non_finite().size(), 1u);
      EXPECT_EQ(outcome.non_finite()[0].index, left_out);
    }
    reduce(reduction, comm, kBoth, 2);
    expect_sum(reduction, plain_sum(kBoth, 2));
  });
}

TEST_P(ReductionLaws, ASumThatIsNotFiniteHasNoFiniteNormOnAnyRank) {
  run([](Communicator& comm, GradientReduction& reduction, FlatParams&) {
    const auto overflow = [](const Pack& pack, GradientSink& sink) {
      sink.add("c", at::full({7}, std::numeric_limits<double>::infinity(), at::kDouble));
      sink.complete("c");
      return std::vector<TaskOutcome>{{.task = {.index = pack.index}}};
    };
    reduction.run(kSecond, packs_of(comm), kPacks, overflow);
    EXPECT_FALSE(std::isfinite(reduction.norm()));
  });
}

TEST_P(ReductionLaws, TheShardsAreAllOfThetaOrWhatEachRankHasOfIt) {
  run([](Communicator& comm, GradientReduction& reduction, FlatParams& theta) {
    const Shard shard = reduction.shard();
    at::Tensor held = at::zeros({theta.flat().numel()}, at::kLong);
    shard.span.of(held).fill_(1);
    comm.all_reduce(held, Reduce::sum)->wait();
    EXPECT_TRUE(held.eq(1).all().item<bool>() || held.eq(comm.size()).all().item<bool>());
    const at::Tensor right = at::arange(theta.flat().numel(), at::kDouble);
    at::Tensor buffer = at::full_like(theta.flat(), -1);
    shard.span.of(buffer).copy_(shard.span.of(right));
    shard.gather(buffer);
    EXPECT_TRUE(at::equal(buffer, right));
  });
}

/// Updates in three phases; the state that is saved after them.
std::map<std::string, at::Tensor> train(Communicator& comm, GradientReduction& reduction,
                                        FlatParams& theta, Optimizer& optimizer) {
  std::int64_t update = 0;
  for (const Phase& phase : {kFirst, kBoth, kSecond}) {
    reduce(reduction, comm, phase, update);
    optimizer.step(reduction.sum().mul_(0.25), phase, update++, 10);
  }
  // Copies: what is saved shares the optimizer's memory.
  const Archive state = optimizer.save();
  std::map<std::string, at::Tensor> out{{"theta", theta.flat().clone()}};
  for (const auto& [name, value] : state.tensors()) out[name] = value.clone();
  return out;
}

/// Elementwise: a shard may begin anywhere, so that another loop of the kernel computes a number.
void expect_same(const std::map<std::string, at::Tensor>& a,
                 const std::map<std::string, at::Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, value] : a) {
    EXPECT_TRUE(at::allclose(value, b.at(name), 1e-14, 1e-16)) << name;
  }
}

TEST_P(ReductionLaws, RanksStepSaveAndGoOnAsOneRankWould) {
  const OptimizerOptions options{.rate = 0.1, .weight_decay = 0.01};
  std::map<std::string, at::Tensor> once, twice;
  Archive saved;
  run_local_world(1, {}, [&](Communicator& comm) {
    FlatParams theta = two_groups();
    const auto reduction = Registry<GradientReduction>::make("summed", comm, theta);
    Optimizer optimizer(options, theta);
    once = train(comm, *reduction, theta, optimizer);
    for (const auto& [name, value] : once) {
      if (name != "theta") saved.put(name, value);
    }
    twice = train(comm, *reduction, theta, optimizer);
  });
  run([&](Communicator& comm, GradientReduction& reduction, FlatParams& theta) {
    Optimizer first(options, theta, reduction.shard());
    expect_same(train(comm, reduction, theta, first), once);
    // From a checkpoint of one rank, and on from there.
    Optimizer second(options, theta, reduction.shard());
    second.load(saved);
    expect_same(train(comm, reduction, theta, second), twice);
  });
}

TEST_P(ReductionLaws, AGradientOfAnUntrainedParameterIsRefused) {
  run([](Communicator&, GradientReduction& reduction, FlatParams&) {
    const auto bad = [&](const std::string& name) {
      reduction.run(kBoth, {Pack{}}, 1, [&](const Pack&, GradientSink& sink) {
        sink.add(name, at::zeros({3}, at::kDouble));
        return std::vector<TaskOutcome>();
      });
    };
    EXPECT_THROW(bad("state"), Error);
    EXPECT_THROW(bad("b"), Error);
  });
}

INSTANTIATE_TEST_SUITE_P(Registered, ReductionLaws,
                         testing::Combine(testing::ValuesIn(Registry<GradientReduction>::names()),
                                          testing::Values(1, 2, 3, 4, 7)),
                         [](const auto& kind) {
                           return std::get<0>(kind.param) + "_" +
                                  std::to_string(std::get<1>(kind.param));
                         });

/// The reduced gradient of fp32 numbers that round, as every rank of `world` saw it.
std::vector<at::Tensor> rounded_sums(int world, const std::string& how) {
  std::vector<at::Tensor> out(world);
  run_local_world(world, {}, [&](Communicator& comm) {
    Params values;
    values.set("a", at::zeros({5, 3}));
    const FlatParams theta(values, {{.name = "first", .parameters = {"a"}}});
    const auto reduction = Registry<GradientReduction>::make(how, comm, theta);
    reduction->run(kFirst, packs_of(comm), kPacks, [](const Pack& pack, GradientSink& sink) {
      sink.add("a", Rng(3).at({pack.index}).normal_tensor({5, 3}, 1.0, at::kFloat));
      sink.complete("a");
      return std::vector<TaskOutcome>();
    });
    out[comm.rank()] = reduction->sum().clone();
  });
  return out;
}

TEST(OrderedReduction, IsBitwiseEqualAtAnyWorldSizeAndTheSummedOneToRounding) {
  const at::Tensor alone = rounded_sums(1, "ordered").front();
  for (int world : {1, 2, 3, 4, 7}) {
    for (const at::Tensor& sum : rounded_sums(world, "ordered")) EXPECT_TRUE(at::equal(sum, alone));
    for (const at::Tensor& sum : rounded_sums(world, "summed")) {
      EXPECT_TRUE(at::allclose(sum, alone, 1e-5, 1e-6)) << world;
    }
  }
}

TEST(GradientReduction, NormOfAnyNumberOfParameters) {
  const auto comm = Registry<Communicator>::make("local", CommOptions{}, this_clock);
  for (std::int64_t count : {1, 4095, 4096, 10000}) {
    Params values;
    values.set("a", at::zeros({count}));
    const FlatParams theta(values, {{.name = "first", .parameters = {"a"}}});
    const auto reduction = Registry<GradientReduction>::make("summed", *comm, theta);
    at::Tensor gradient = Rng(3).normal_tensor({count}, 1.0, at::kFloat);
    const auto deliver = [&](const Pack&, GradientSink& sink) {
      sink.add("a", gradient);
      return std::vector<TaskOutcome>();
    };
    reduction->run(kFirst, {Pack{}}, 1, deliver);
    EXPECT_NEAR(reduction->norm(), gradient.to(at::kDouble).norm().item<double>(), 1e-5) << count;
    gradient[count - 1] = std::numeric_limits<float>::infinity();
    reduction->run(kFirst, {Pack{}}, 1, deliver);
    EXPECT_FALSE(std::isfinite(reduction->norm())) << count;
  }
}

}  // namespace
}  // namespace metaloom
