// metaprompting: its outer gradient against differences of the full outer objective, for both
// scopes; a broken task is left out; a frozen model stays as it is; adapting helps.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/registry.h"
#include "methods/labels.h"
#include "methods/metaprompting/cloze_pack.h"
#include "tests/methods/tiny_episodes.h"

namespace metaloom {
namespace {

Table section(const std::string& rule, const std::string& scope) {
  Table out;
  out.set("rule", rule);
  out.set("scope", scope);
  out.set("template", std::string("<soft:2> {text} , the topic is [MASK] ."));
  out.set("inner_steps", std::int64_t{3});
  out.set("inner_rate", 1.0);  // steep: first and second order differ widely
  out.set("model_inner_rate", 0.05);
  return out;
}

std::unique_ptr<Method> make(const TinyEpisodes& world, const Table& section) {
  return Registry<Method>::make("metaprompting", section, world.ingredients());
}

Params gradient_of(const Method& method, const Params& theta, const std::vector<Task>& pack,
                   std::vector<TaskOutcome>* outcomes = nullptr) {
  CapturedGradients sink;
  auto found = method.gradients(theta, pack, {}, sink);
  if (outcomes != nullptr) *outcomes = std::move(found);
  return sink.sums;
}

/// The outer objective by the way that evaluation takes: adapt, then score the query rows.
double objective(const Method& method, const Params& theta, const std::vector<Task>& pack) {
  double sum = 0;
  for (const Task& task : pack) sum += measured(method.evaluate(theta, task, {}), kLoss).mean;
  return sum;
}

/// Differences along random directions against the gradient's slopes there, relative.
double slope_error(const Method& method, const Params& theta, const std::vector<Task>& pack,
                   const Params& gradient, int directions) {
  constexpr double kStep = 1e-5;
  double error = 0, size = 0;
  for (int d = 0; d < directions; ++d) {
    std::int64_t index = 0;
    const Params v = theta.map([&](const at::Tensor& value) {
      return Rng(17, "direction").at({d, index++}).normal_tensor(value.sizes(), 1, at::kDouble);
    });
    const double difference = (objective(method, axpy(kStep, v, theta), pack) -
                               objective(method, axpy(-kStep, v, theta), pack)) /
                              (2 * kStep);
    const double slope = dot(gradient, v).item<double>();
    error += std::pow(slope - difference, 2);
    size += std::pow(difference, 2);
  }
  return std::sqrt(error / size);
}

class MetaPromptingScopes : public testing::TestWithParam<std::string> {};

TEST_P(MetaPromptingScopes, SecondOrderGradientIsThatOfTheOuterObjective) {
  const TinyEpisodes world;
  const auto method = make(world, section("maml", GetParam()));
  const Params theta = method->initial();
  const Params gradient = gradient_of(*method, theta, world.tasks);
  EXPECT_EQ(gradient.names(), theta.names());
  EXPECT_LE(slope_error(*method, theta, world.tasks, gradient, 8), 1e-6);

  const auto first_order = make(world, section("fomaml", GetParam()));
  const Params wrong = gradient_of(*first_order, theta, world.tasks);
  EXPECT_GT(relative_distance(wrong, gradient), 0.1);
  EXPECT_GT(slope_error(*method, theta, world.tasks, wrong, 8), 0.1);
}

TEST_P(MetaPromptingScopes, TasksAtOnceEqualOneAtATime) {
  const TinyEpisodes world(3);
  for (const std::string rule : {"maml", "fomaml"}) {
    const auto method = make(world, section(rule, GetParam()));
    const Params theta = method->initial();
    std::vector<TaskOutcome> together, alone;
    const Params all = gradient_of(*method, theta, world.tasks, &together);
    Params sum;
    for (std::size_t t = 0; t < world.tasks.size(); ++t) {
      const Params one = gradient_of(*method, theta, {world.tasks[t]}, &alone);
      sum = sum.empty() ? one : axpy(1, one, sum);
      EXPECT_NEAR(alone[0].loss, together[t].loss, 1e-12);
      EXPECT_EQ(alone[0].tokens, together[t].tokens);
      EXPECT_EQ(alone[0].metrics.at(0).value, together[t].metrics.at(0).value);
    }
    EXPECT_LE(relative_distance(all, sum), 1e-12) << rule;
  }
}

// A NaN that one task's texts run into: that task is named and left out, never 0 * NaN.
TEST_P(MetaPromptingScopes, ABrokenTaskIsLeftOutOfTheSum) {
  TinyEpisodes world(3);
  const std::vector<Task> healthy{world.tasks[0], world.tasks[1]};
  for (const std::string rule : {"maml", "fomaml"}) {
    const auto clean = make(world, section(rule, GetParam()));
    const Params expected = gradient_of(*clean, clean->initial(), healthy);

    const Params weights = world.pretrained.weights;
    at::Tensor table = weights.at("embeddings.word_embeddings.weight").clone();
    table[world.rare].fill_(std::nan(""));
    world.pretrained.weights.set("embeddings.word_embeddings.weight", table);
    const auto method = make(world, section(rule, GetParam()));
    std::vector<TaskOutcome> outcomes;
    const Params sum = gradient_of(*method, method->initial(), world.tasks, &outcomes);
    world.pretrained.weights = weights;

    EXPECT_LE(relative_distance(sum, expected), 1e-12) << rule;
    EXPECT_TRUE(outcomes[0].finite && outcomes[1].finite);
    EXPECT_FALSE(outcomes[2].finite);
    EXPECT_EQ(outcomes[2].task, world.tasks[2].id);
  }
}

TEST_P(MetaPromptingScopes, AdaptingLowersTheSupportLossAndLeavesThetaAlone) {
  const TinyEpisodes world;
  const auto method = make(world, section("maml", GetParam()));
  const Params theta = method->initial();
  const Params before = theta.map([](const at::Tensor& value) { return value.clone(); });
  std::vector<TaskOutcome> outcomes;
  gradient_of(*method, theta, world.tasks, &outcomes);
  for (const TaskOutcome& outcome : outcomes) {
    ASSERT_EQ(outcome.metrics.size(), 3u);  // accuracy, support_loss_first, support_loss_last
    EXPECT_LT(outcome.metrics[2].value, outcome.metrics[1].value);
  }
  for (Task task : world.tasks) {
    task.query = task.support;
    const Params adapted = method->adapt(theta, task, {});
    EXPECT_EQ(adapted.names(), theta.names());
    EXPECT_GT(relative_distance(adapted, theta), 0);
    const auto loss = [&](const Params& at_params) {
      const at::Tensor right = scores_of(*method, at_params, task)
                                   .gather(1, labels_of(task.query, at::kCPU).unsqueeze(1));
      return -right.mean().item<double>();
    };
    EXPECT_LT(loss(adapted), loss(theta));
  }
  EXPECT_EQ(relative_distance(theta, before), 0);
}

TEST_P(MetaPromptingScopes, UnlabelledQueriesAndNoSupportAreNoObstacle) {
  const TinyEpisodes world;
  const auto method = make(world, section("fomaml", GetParam()));
  const Params theta = method->initial();
  Task task = world.tasks[0];
  for (Example& row : task.query) row.target.label = -1;
  const at::Tensor scores_QN = scores_of(*method, method->adapt(theta, task, {}), task);
  EXPECT_EQ(scores_QN.sizes(), at::IntArrayRef({6, 3}));
  EXPECT_TRUE(at::allclose(scores_QN.exp().sum(1), at::ones({6}, at::kDouble)));
  task.support.clear();
  EXPECT_EQ(relative_distance(method->adapt(theta, task, {}), theta), 0);
}

INSTANTIATE_TEST_SUITE_P(Both, MetaPromptingScopes, testing::Values("prompt", "full"),
                         [](const auto& info) { return info.param; });

TEST(MetaPrompting, AFrozenModelIsNeitherTrainedNorDifferentiated) {
  const TinyEpisodes world;
  const auto method = make(world, section("maml", "prompt"));
  const Params theta = method->initial();
  EXPECT_EQ(theta.names(), std::vector<std::string>{kSoftPrompt});
  const Params before =
      world.pretrained.weights.map([](const at::Tensor& value) { return value.clone(); });
  gradient_of(*method, theta, world.tasks);
  EXPECT_EQ(relative_distance(method->model(theta), before), 0);
  for (const auto& [name, value] : world.pretrained.weights) {
    EXPECT_FALSE(value.requires_grad()) << name;
    EXPECT_FALSE(value.grad().defined()) << name;
  }
}

TEST(MetaPrompting, GroupsCoverThetaOnceAndThePhaseNamesThem) {
  const TinyEpisodes world;
  for (const std::string scope : {"prompt", "full"}) {
    const auto method = make(world, section("maml", scope));
    const Params theta = method->initial();
    const auto groups = method->groups(theta);
    std::vector<std::string> covered, names;
    for (const ParameterGroup& group : groups) {
      names.push_back(group.name);
      covered.insert(covered.end(), group.parameters.begin(), group.parameters.end());
      for (const std::string& name : group.parameters)
        EXPECT_EQ(!group.decay, name.ends_with(".weight") && !name.ends_with("LayerNorm.weight"))
            << name;
    }
    std::sort(covered.begin(), covered.end());
    EXPECT_EQ(covered, theta.names());
    EXPECT_EQ(names, method->phase(0).groups);
  }
}

TEST(MetaPrompting, SoftTokensStartAsWordsOrAsNoiseOfTheirSize) {
  const TinyEpisodes world;
  Table options = section("fomaml", "prompt");
  options.set("soft_words", std::string("w15 topic"));
  const at::Tensor words = make(world, options)->initial().at(kSoftPrompt);
  const at::Tensor& table = world.pretrained.weights.at("embeddings.word_embeddings.weight");
  EXPECT_TRUE(at::equal(words[0], table[world.pretrained.tokenizer->find("w15")]));
  EXPECT_TRUE(at::equal(words[1], table[world.pretrained.tokenizer->find("topic")]));
  options.set("soft_init", std::string("random"));
  const at::Tensor noise = make(world, options)->initial().at(kSoftPrompt);
  EXPECT_TRUE(at::equal(noise, make(world, options)->initial().at(kSoftPrompt)));
  EXPECT_NEAR(noise.std().item<double>(), table.std().item<double>(), 0.1);
}

TEST(MetaPrompting, NoStepsAtEvaluationMeansNoAdaptation) {
  const TinyEpisodes world;
  Table options = section("fomaml", "prompt");
  options.set("eval_steps", std::int64_t{0});
  const auto method = make(world, options);
  EXPECT_FALSE(method->adapts());
  const Params theta = method->initial();
  EXPECT_EQ(relative_distance(method->adapt(theta, world.tasks[0], {}), theta), 0);
}

TEST(MetaPrompting, SecondOrderCostsMoreAndCostGrowsWithTheWork) {
  const TinyEpisodes world;
  const TaskShape shape{5, 50, 25, 250, 12};
  const auto flops = [&](const std::string& rule, const std::string& scope, int tasks) {
    return make(world, section(rule, scope))->cost(std::vector<TaskShape>(tasks, shape)).flops;
  };
  EXPECT_GT(flops("maml", "prompt", 1), 1.3 * flops("fomaml", "prompt", 1));
  EXPECT_GT(flops("fomaml", "full", 1), flops("fomaml", "prompt", 1));
  EXPECT_DOUBLE_EQ(flops("maml", "full", 3), 3 * flops("maml", "full", 1));
  Table again = section("maml", "prompt");
  again.set("graph_memory", 0.0);
  const Cost kept = make(world, section("maml", "prompt"))->cost({shape});
  const Cost made_anew = make(world, again)->cost({shape});
  EXPECT_GT(made_anew.flops, kept.flops);
  EXPECT_LT(made_anew.peak_bytes, kept.peak_bytes);
}

struct BadCase {
  std::string key, value, names;
};

TEST(MetaPrompting, BadOptionsAreOneClearError) {
  const TinyEpisodes world;
  const std::vector<BadCase> cases{
      {"rule", "mamml", "maml"},
      {"scope", "all", "prompt"},
      {"template", "{text} , the topic is [MASK] .", "soft token"},
      {"template", "<soft:2> {text} , the topic .", "[MASK]"},
      {"template", "<soft:2> [MASK] .", "{text}"},
      {"template", "<soft:2> {text} zebra [MASK] .", "zebra"},
      {"template", "<soft:30> {text} [MASK] .", "max_length"},
      {"soft_words", "zebra", "soft_words"},
      {"inner_stebs", "3", "inner_steps"},
  };
  for (const BadCase& bad : cases) {
    Table options = section("maml", "prompt");
    options.set(bad.key, bad.value);
    try {
      make(world, options)->initial();
      ADD_FAILURE() << bad.key << " = " << bad.value << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::usage) << error.what();
      EXPECT_NE(std::string(error.what()).find(bad.names), std::string::npos) << error.what();
    }
  }
  Table options = section("maml", "prompt");
  options.set("inner_steps", std::int64_t{0});
  EXPECT_THROW(make(world, options), Error);
}

TEST(MetaPrompting, OtherFamiliesAndWordlessLabelsAreRefused) {
  TinyEpisodes world;
  world.dataset.family = "classification";
  EXPECT_THROW(make(world, section("maml", "prompt")), Error);
  world.dataset.family = "episodes";
  world.dataset.label_words[4].clear();
  try {
    make(world, section("maml", "prompt"));
    ADD_FAILURE() << "a label without a word was taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("label 4"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace metaloom
