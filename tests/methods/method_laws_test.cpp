// Laws of every registered method, on every made-up world that it accepts (it must accept one).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "methods/meta/inner/inner_optimizer.h"
#include "methods/meta/meta_rule.h"
#include "methods/meta/scopes/scope.h"
#include "tests/methods/method_worlds.h"

namespace metaloom {
namespace {

TEST_P(MethodLaws, InitialParametersAreAPureFunctionAndEachIsInOneGroup) {
  on_every_world([&](const Method& method, const World& world) {
    const Params theta = method.initial();
    EXPECT_FALSE(theta.empty());
    expect_equal(theta, Registry<Method>::make(GetParam(), Table(), world.ingredients)->initial());
    std::set<std::string> seen, groups;
    for (const ParameterGroup& group : method.groups(theta)) {
      EXPECT_TRUE(groups.insert(group.name).second) << group.name;
      for (const std::string& name : group.parameters) {
        EXPECT_TRUE(theta.contains(name)) << name;
        EXPECT_TRUE(seen.insert(name).second) << name << " is in two groups";
      }
    }
    for (std::int64_t step = 0; step < world.ingredients.steps; ++step) {
      for (const std::string& name : method.phase(step).groups)
        EXPECT_TRUE(groups.contains(name)) << name;
    }
  });
}

/// Of all parts that a method may be told to have.
Table keys_of_parts() {
  Table out;
  const auto add = [&](const Table& keys) { out = out.overlaid_with(keys); };
  for (const std::string& name : Registry<MetaRule>::names())
    add(write_fields(*Registry<MetaRule>::make(name, Table())));
  for (const std::string& name : Registry<InnerOptimizer>::names())
    add(write_fields(*Registry<InnerOptimizer>::make(name, Table())));
  for (const std::string& name : Registry<Scope>::names()) add(keys_of_scope(name));
  return out;
}

TEST_P(MethodLaws, ItsKeysAreKnownWithoutBuildingIt) {
  const Table known = Registry<MethodOptions>::make(GetParam());
  on_every_world([&](const Method&, const World& world) {
    const auto built = Registry<Method>::make(GetParam(), Table(), world.ingredients);
    const Table own = write_fields(*built);
    for (const std::string& key : own.keys()) EXPECT_TRUE(known.contains(key)) << key;
    for (const std::string& key : known.keys())
      EXPECT_TRUE(own.contains(key) || keys_of_parts().contains(key)) << key;
  });
}

TEST_P(MethodLaws, GradientsNameTheParametersOfThePhaseAndAreFinite) {
  on_every_world([](const Method& method, const World& world) {
    const Params theta = method.initial();
    std::set<std::string> ever;
    for (std::int64_t step = 0; step < world.ingredients.steps; ++step) {
      const std::set<std::string> allowed = trained(method, theta, step);
      for (const Task& task : world.tasks) {
        const Delivered found = deliver(method, theta, {task}, step);
        ASSERT_EQ(found.outcomes.size(), 1u);
        EXPECT_TRUE(found.outcomes[0].finite);
        EXPECT_TRUE(found.outcomes[0].task == task.id);
        EXPECT_GT(found.outcomes[0].tokens, 0);
        for (const auto& [name, value] : found.sums) {
          EXPECT_TRUE(allowed.contains(name)) << name << " in step " << step;
          EXPECT_EQ(value.sizes(), theta.at(name).sizes()) << name;
          EXPECT_FALSE(value.requires_grad()) << name;
          EXPECT_TRUE(value.isfinite().all().item<bool>()) << name;
          ever.insert(name);
        }
      }
    }
    for (const std::string& name : theta.names())
      EXPECT_TRUE(ever.contains(name)) << name << " is never trained";
  });
}

TEST_P(MethodLaws, APackOfTasksEqualsPacksOfOne) {
  on_every_world([](const Method& method, const World& world) {
    const Params theta = method.initial();
    for (std::int64_t step = 0; step < world.ingredients.steps; ++step) {
      const Delivered together = deliver(method, theta, world.tasks, step);
      ASSERT_EQ(together.outcomes.size(), world.tasks.size());
      Params apart;
      for (std::size_t t = 0; t < world.tasks.size(); ++t) {
        const Delivered one = deliver(method, theta, {world.tasks[t]}, step);
        EXPECT_NEAR(one.outcomes[0].loss, together.outcomes[t].loss, 1e-10);
        EXPECT_EQ(one.outcomes[0].tokens, together.outcomes[t].tokens);
        add(apart, one.sums);
      }
      ASSERT_EQ(apart.names(), together.sums.names());
      EXPECT_LT(relative_distance(together.sums, apart), 1e-10) << "step " << step;
    }
  });
}

TEST_P(MethodLaws, EvaluationAndGradientsLeaveThetaAlone) {
  on_every_world([](const Method& method, const World& world) {
    const Params theta = method.initial(), before = copied(theta);
    const Params frozen = copied(world.pretrained.weights);
    for (const Task& task : world.tasks) {
      const std::vector<Measure> measures = method.evaluate(theta, task, context_of(3));
      EXPECT_GE(measures.size(), 2u);
      EXPECT_GT(measured(measures, kLoss).mean, 0);
      for (const Measure& measure : measures) {
        EXPECT_TRUE(std::isfinite(estimate_of(measure).value)) << measure.name;
        EXPECT_GT(measure.count, 0) << measure.name;
        if (measure.each.empty()) continue;
        EXPECT_EQ(double(measure.each.size()), measure.count) << measure.name;
        const double sum = std::accumulate(measure.each.begin(), measure.each.end(), 0.0);
        EXPECT_NEAR(measure.mean, sum / measure.count, 1e-12) << measure.name;
      }
      EXPECT_EQ(measures, method.evaluate(theta, task, context_of(3)));
      deliver(method, theta, {task}, 0);
      deliver(method, theta, {task}, 1);
    }
    expect_equal(theta, before);
    expect_equal(world.pretrained.weights, frozen);
    for (const auto& [name, value] : theta) EXPECT_FALSE(value.requires_grad()) << name;
  });
}

TEST_P(MethodLaws, ScoresAreLogProbabilitiesOfTheQueryRows) {
  on_every_world([](const Method& method, const World& world) {
    const Params theta = method.initial();
    for (const std::int64_t step : {std::int64_t{0}, world.ingredients.steps}) {
      for (const Task& task : world.tasks) {
        const Classifier* classifier = method.classifier(*task.dataset);
        if (classifier == nullptr) continue;
        const at::Tensor scores = classifier->scores(theta, task, context_of(step));
        ASSERT_EQ(scores.size(0), static_cast<std::int64_t>(task.query.size()));
        EXPECT_FALSE(scores.requires_grad());
        EXPECT_LT((scores.exp().sum(1) - 1).abs().max().item<double>(), 1e-9);
      }
    }
  });
}

TEST_P(MethodLaws, TheModelItCarriesOnIsWhole) {
  on_every_world([](const Method& method, const World& world) {
    const Params model = method.model(method.initial());
    for (const Parameter& parameter :
         world.pretrained.backbone->parameters({Part::embeddings, Part::layers})) {
      ASSERT_TRUE(model.contains(parameter.name)) << parameter.name;
      EXPECT_EQ(model.at(parameter.name).sizes().vec(), parameter.shape) << parameter.name;
    }
  });
}

TEST_P(MethodLaws, TheRowsItShowsAreWhatTheModelReads) {
  on_every_world([](const Method& method, const World& world) {
    const std::int64_t most = world.ingredients.tasks.max_length;
    for (const Task& task : world.tasks) {
      const Batch batch = method.batch({task}, false);
      EXPECT_GE(batch.rows(), static_cast<std::int64_t>(task.query.size()));
      EXPECT_LE(batch.length_R.max().item<std::int64_t>(), most);
      EXPECT_EQ(batch.length_R.sum().item<std::int64_t>(), batch.tokens);
      EXPECT_LT(batch.ids_RL.max().item<std::int64_t>(), world.pretrained.tokenizer->size());
      EXPECT_TRUE(batch.ids_RL.select(1, 0)
                      .eq(world.pretrained.tokenizer->special(Special::begin))
                      .all()
                      .item<bool>());
    }
  });
}

TEST_P(MethodLaws, MoreRowsCostMore) {
  on_every_world([](const Method& method, const World&) {
    TaskShape shape{4, 40, 4, 40, 12};
    const Cost one = method.cost({shape});
    EXPECT_GT(one.flops, 0);
    EXPECT_GT(one.peak_bytes, 0);
    EXPECT_DOUBLE_EQ(method.cost({shape, shape}).flops, 2 * one.flops);
    shape.query_rows *= 2;
    shape.query_tokens *= 2;
    EXPECT_GT(method.cost({shape}).flops, one.flops);
  });
}

// The gates' re-parameterisation changes their gradient on purpose: without it, every gradient is
// the derivative of the reported loss, dropout and masks included.
TEST_P(MethodLaws, GradientsEqualFiniteDifferences) {
  Table section;
  if (GetParam() == "spt") section.set("reparameterise", false);
  on_every_world(
      [](const Method& method, const World& world) {
        constexpr double kStep = 1e-6;
        const Params theta = method.initial();
        for (const std::int64_t step :
             {std::int64_t{0}, std::int64_t{1}, world.ingredients.steps}) {
          const std::set<std::string> names = trained(method, theta, step);
          std::int64_t index = 0;
          Params direction = theta.map([&](const at::Tensor& value) {
            return Rng(17).at({step, index++}).normal_tensor(value.sizes(), 1, at::kDouble);
          });
          direction = direction.select(
              [&](std::string_view name) { return names.contains(std::string(name)); });
          const auto loss_at = [&](double distance) {
            Params moved = theta;
            for (const auto& [name, value] : direction)
              moved.set(name, theta.at(name) + distance * value);
            double sum = 0;
            for (const auto& outcome : deliver(method, moved, world.tasks, step).outcomes)
              sum += outcome.loss;
            return sum;
          };
          const Params gradient = deliver(method, theta, world.tasks, step).sums;
          const double slope = dot(gradient, direction).item<double>();
          const double difference = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep);
          EXPECT_NEAR(slope, difference, 1e-5 * std::abs(difference) + 1e-7) << "step " << step;
        }
      },
      section);
}

// A NaN in the embedding of a word piece that only the last task holds.
TEST_P(MethodLaws, ATaskThatIsNotFiniteLeavesNoTrace) {
  batches_.pretrained.weights.at("embeddings.word_embeddings.weight")[batches_.rare].fill_(NAN);
  texts_.pretrained.weights.at("embeddings.word_embeddings.weight")[texts_.rare].fill_(NAN);
  episodes_.pretrained.weights.at("embeddings.word_embeddings.weight")[episodes_.rare].fill_(NAN);
  on_every_world([](const Method& method, const World& world) {
    const Params theta = method.initial();
    const Delivered together = deliver(method, theta, world.tasks, 0);
    EXPECT_FALSE(together.outcomes.back().finite);
    Params finite_ones;
    for (std::size_t t = 0; t < world.tasks.size(); ++t) {
      const Delivered one = deliver(method, theta, {world.tasks[t]}, 0);
      EXPECT_EQ(one.outcomes[0].finite, together.outcomes[t].finite);
      if (one.outcomes[0].finite) add(finite_ones, one.sums);
    }
    for (const auto& [name, value] : finite_ones)
      EXPECT_LT((value - together.sums.at(name)).abs().max().item<double>(), 1e-10) << name;
    for (const auto& [name, value] : together.sums) {
      EXPECT_TRUE(value.isfinite().all().item<bool>()) << name;
      if (finite_ones.contains(name)) continue;
      EXPECT_EQ(value.abs().max().item<double>(), 0) << name;
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Registered, MethodLaws, ::testing::ValuesIn(Registry<Method>::names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace metaloom
