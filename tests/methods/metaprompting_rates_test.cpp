// metaprompting with learned inner rates: they are entries of theta in a group of their own, their
// gradients are those of the outer loss, adapting uses them; without the option nothing is there.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "methods/cloze/template.h"
#include "methods/meta/inner_rates.h"
#include "methods/meta/scopes/scope.h"
#include "tests/methods/method_worlds.h"

namespace metaloom {
namespace {

Table section(const std::string& scope, LearnedRates rates) {
  Table out;
  out.set("scope", scope);
  out.set("learned_rates", word_of(rates));
  out.set("template", std::string("<soft:2> {text} , the topic is [MASK] ."));
  out.set("inner_steps", std::int64_t{3});
  out.set("inner_rate", 1.0);
  out.set("model_inner_rate", 0.05);
  return out;
}

std::unique_ptr<Method> make(const TinyEpisodes& world, const Table& section) {
  return Registry<Method>::make("metaprompting", section, world.ingredients());
}

using Given = std::tuple<std::string, LearnedRates>;
class LearnedInnerRates : public testing::TestWithParam<Given> {
 protected:
  TinyEpisodes world_{2};
  std::unique_ptr<Method> method_ =
      make(world_, section(std::get<0>(GetParam()), std::get<1>(GetParam())));
  Params theta_ = method_->initial();
};

// Rates of the model's weights once took the prompt's outer rate, 500 times theirs: one step of
// Adam took them below zero.
TEST_P(LearnedInnerRates, AreEntriesOfThetaInGroupsOfTheirOwn) {
  const Params rates = learned_rates(theta_);
  ASSERT_FALSE(rates.empty());
  EXPECT_EQ(2 * rates.size(), theta_.size());
  for (const auto& [name, rate] : rates) {
    EXPECT_TRUE(theta_.contains(name)) << name;
    EXPECT_EQ(rate.min().item<double>(), name == kSoftPrompt ? 1.0 : 0.05) << name;
    EXPECT_EQ(rate.dim(), theta_.at(name).dim() + 1) << name;
  }
  const auto groups = method_->groups(theta_);
  const auto group_of = [&](const std::string& name) {
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& one) {
      return std::count(one.parameters.begin(), one.parameters.end(), name) > 0;
    });
    return group == groups.end() ? ParameterGroup{} : *group;
  };
  const std::vector<std::string> trained = method_->phase(0).groups;
  for (const auto& [name, rate] : rates) {
    const ParameterGroup group = group_of(kRatePrefix + name), weights = group_of(name);
    EXPECT_EQ(group.name, weights.name + "-rates");
    EXPECT_EQ(group.rate_scale, weights.rate_scale);
    EXPECT_EQ(group.decay, 0.0);
    EXPECT_EQ(std::count(trained.begin(), trained.end(), group.name), 1) << group.name;
  }
}

// Along random directions in theta, rates included: of a vocabulary's element-wise rates, too.
TEST_P(LearnedInnerRates, GradientIsThatOfTheOuterLoss) {
  constexpr double kStep = 1e-6;
  const Params gradient = deliver(*method_, theta_, world_.tasks, 0).sums;
  ASSERT_EQ(gradient.names(), theta_.names());
  for (const auto& [name, value] : gradient) EXPECT_EQ(value.sizes(), theta_.at(name).sizes());
  for (const bool rates_alone : {false, true}) {
    std::int64_t index = 0;
    const Params direction =
        theta_
            .map([&](const at::Tensor& value) {
              return Rng(17).at({index++}).normal_tensor(value.sizes(), 1, at::kDouble);
            })
            .select(
                [&](std::string_view name) { return !rates_alone || name.starts_with("rate."); });
    const auto loss_at = [&](double distance) {
      double sum = 0;
      const Params moved = theta_.merged_with(
          axpy(distance, direction,
               theta_.select([&](std::string_view name) { return direction.contains(name); })));
      for (const Task& task : world_.tasks)
        sum += deliver(*method_, moved, {task}, 0).outcomes[0].loss;
      return sum;
    };
    double slope = 0;
    for (const auto& [name, value] : direction)
      slope += (value * gradient.at(name)).sum().item<double>();
    const double difference = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep);
    EXPECT_NEAR(slope, difference, 1e-6 * std::abs(difference) + 1e-8);
    EXPECT_GT(std::abs(difference), 1e-6);
  }
}

TEST_P(LearnedInnerRates, AdaptingUsesThem) {
  const Task& task = world_.tasks[0];
  const Params adapted = method_->adapt(theta_, task, {});
  EXPECT_EQ(adapted.names(), theta_.names());
  Params still = theta_;
  for (const auto& [name, value] : theta_)
    if (name.starts_with(kRatePrefix)) {
      EXPECT_TRUE(at::equal(adapted.at(name), value)) << name;
      still.set(name, at::zeros_like(value));
    }
  EXPECT_EQ(relative_distance(method_->adapt(still, task, {}), still), 0);
  const auto constant = make(world_, section(std::get<0>(GetParam()), LearnedRates::constant));
  const Params as_constant = constant->adapt(constant->initial(), task, {});
  for (const auto& [name, value] : as_constant)
    EXPECT_TRUE(at::allclose(adapted.at(name), value, 1e-12)) << name;
}

INSTANTIATE_TEST_SUITE_P(All, LearnedInnerRates,
                         testing::Combine(testing::ValuesIn(Registry<Scope>::names()),
                                          testing::Values(LearnedRates::per_tensor,
                                                          LearnedRates::per_step,
                                                          LearnedRates::per_element)),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" + word_of(std::get<1>(info.param));
                         });

TEST(ConstantInnerRates, LeaveThetaAsItWas) {
  const TinyEpisodes world(2);
  for (const std::string& scope : Registry<Scope>::names()) {
    const auto method = make(world, section(scope, LearnedRates::constant));
    EXPECT_TRUE(learned_rates(method->initial()).empty());
    for (const std::string& name : method->phase(0).groups) {
      EXPECT_FALSE(name.ends_with("-rates")) << name;
    }
  }
}

// The prior of a rule belongs to adaptation for use, too.
TEST(RuleWithAKeyOfItsOwn, HoldsAdaptationNearThetaAndIsRefusedElsewhere) {
  const TinyEpisodes world(2);
  const Task& task = world.tasks[0];
  Table options = section("prompt", LearnedRates::constant);
  options.set("inner_rate", 0.1);
  options.set("rule", std::string("made-held"));
  const auto distance = [&](double prior) {
    options.set("made_prior", prior);
    const auto method = make(world, options);
    EXPECT_EQ(write_fields(*method).text("rule"), "made-held");
    EXPECT_TRUE(write_fields(*method).contains("made_prior"));
    const Params theta = method->initial();
    EXPECT_TRUE(deliver(*method, theta, {task}, 0).outcomes[0].finite);
    return relative_distance(method->adapt(theta, task, {}), theta);
  };
  EXPECT_LT(distance(5), 0.9 * distance(0));
  EXPECT_TRUE(Registry<MethodOptions>::make("metaprompting").contains("made_prior"));
  options.set("rule", std::string("maml"));
  EXPECT_THROW(make(world, options), Error);
}

TEST(LearnedInnerRatesOptions, ARateForUseIsRefused) {
  const TinyEpisodes world(2);
  Table options = section("prompt", LearnedRates::per_step);
  options.set("eval_rate", 0.1);
  EXPECT_THROW(make(world, options), Error);
}

}  // namespace
}  // namespace metaloom
