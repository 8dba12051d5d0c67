// spt: its invariants, its phases, and that the final net is only as big
// as it says.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/registry.h"
#include "methods/cloze/verbaliser.h"
#include "methods/spt/net.h"
#include "tests/core/expect_error.h"
#include "tests/methods/tiny_batches.h"

namespace metaloom {
namespace {

std::unique_ptr<Method> make(const TinyBatches& world, const Table& section = {}) {
  return Registry<Method>::make("spt", section, world.ingredients());
}

at::Tensor gates_gradient(const Method& method, const Params& theta, const TinyBatches& world) {
  CapturedGradients sink;
  method.gradients(theta, {world.tasks[0]}, {1, 8, Rng(5)}, sink);
  return sink.sums.at("gates");
}

Params with_gates(Params theta, std::vector<double> alpha) {
  theta.set("gates", at::tensor(alpha, at::kDouble));
  return theta;
}

TEST(Spt, ReparameterisedGatesKeepTheirValueBitForBit) {
  for (std::int64_t seed = 0; seed < 50; ++seed) {
    const at::Tensor a = Rng(seed).normal_tensor({25}, 3, at::kFloat).sigmoid();
    EXPECT_TRUE(reparameterised(a).equal(a));
  }
}

TEST(Spt, ReparameterisedGatesCompete) {
  const at::Tensor g = Rng(1).normal_tensor({7}, 1, at::kDouble);
  const auto gradient = [](const at::Tensor& a, const at::Tensor& usefulness) {
    const Params leaf = Params({{"a", a}}).leaves();
    return grad((reparameterised(leaf.at("a")) * usefulness).sum(), leaf).at("a");
  };
  const at::Tensor a = Rng(2).uniform_tensor({7}, at::kDouble);
  const at::Tensor da = gradient(a, g);
  EXPECT_NEAR((a * da).sum().item<double>(), 0, 1e-14);
  const at::Tensor by_formula = g - (g * a).sum() / a.sum();
  EXPECT_LT((da - by_formula).abs().max().item<double>(), 1e-14);
  EXPECT_LT(gradient(a, at::ones({7}, at::kDouble)).abs().max().item<double>(), 1e-14);
}

TEST(Spt, TheSameHoldsForTheGatesOfTheNetAndNotForPlainOnes) {
  const TinyBatches world({"classification"});
  Table plain;
  plain.set("reparameterise", false);
  const auto competing = make(world), single = make(world, plain);
  const Params theta = with_gates(competing->initial(), {0.3, -0.2, 0.9, -1});
  const at::Tensor a = theta.at("gates").sigmoid();
  const at::Tensor slope = 1 / (a * (1 - a));  // from alpha to a
  const at::Tensor da = gates_gradient(*competing, theta, world) * slope;
  const at::Tensor g = gates_gradient(*single, theta, world) * slope;
  EXPECT_NEAR((a * da).sum().item<double>() / (a * g).abs().sum().item<double>(), 0, 1e-12);
  EXPECT_LT((da - (g - (g * a).sum() / a.sum())).abs().max().item<double>(), 1e-12);
  EXPECT_GT((da - g).norm().item<double>(), 0.1 * g.norm().item<double>());
  EXPECT_EQ(g[3].item<double>(), 0);  // nothing behind the last layer reaches the [MASK] state
  EXPECT_NE(da[3].item<double>(), 0);
}

TEST(Spt, PhasesAlternateAndThenRetrain) {
  const TinyBatches world({"classification"});
  const auto method = make(world);  // 8 updates, half of them search
  const std::vector<std::string> expected{"weights", "gates",   "weights", "gates",
                                          "retrain", "retrain", "retrain", "retrain"};
  const std::vector<std::int64_t> draws{0, 0, 1, 1, 0, 1, 2, 3};
  for (std::int64_t step = 0; step < 8; ++step) {
    const Phase phase = method->phase(step);
    EXPECT_EQ(phase.name, expected[step]);
    EXPECT_EQ(phase.draw, draws[step]);
    EXPECT_EQ(phase.half, phase.name == "weights" ? Half::first
                          : phase.name == "gates" ? Half::second
                                                  : Half::all);
    // Each of the two has a learning-rate schedule of its own.
    EXPECT_EQ(phase.first, step < 4 ? 0 : 4);
    EXPECT_EQ(phase.updates, 4);
  }
}

TEST(Spt, TheLargestGatesAreFoundTheLowerOneOfEquals) {
  const TinyBatches world({"classification"});
  Table section;
  section.set("keep", std::int64_t{2});
  const auto method = make(world, section);
  const Params theta = method->initial();
  using Layers = std::vector<double>;
  const auto selected = [&](std::vector<double> alpha) {
    return method->watch(with_gates(theta, std::move(alpha))).at("selected");
  };
  EXPECT_EQ(selected({0, 0, 0, 0}), (Layers{0, 1}));
  EXPECT_EQ(selected({0, 1, 2, 9}), (Layers{1, 2}));  // the last gate has no layer
  EXPECT_EQ(selected({0.5, -1, 0.5, 0}), (Layers{0, 2}));
  EXPECT_EQ(method->watch(theta).at("gates"), std::vector<double>(4, 0.5));
  EXPECT_ERROR(selected({0, NAN, 0, 0}), Fault::non_finite, "gate");
}

TEST(Spt, ControlsChooseTheirLayersWithoutASearch) {
  const TinyBatches world({"classification"});
  Table section;
  section.set("select", std::string("listed"));
  section.set("layers", std::vector<std::int64_t>{2, 0});
  const auto listed = make(world, section);
  EXPECT_EQ(listed->watch(listed->initial()).at("selected"), (std::vector<double>{0, 2}));
  EXPECT_EQ(listed->phase(0).name, "retrain");
  EXPECT_FALSE(listed->initial().contains("gates"));
  Table all;
  all.set("select", std::string("all"));
  EXPECT_EQ(make(world, all)->watch(make(world, all)->initial()).at("selected").size(), 3u);
  Table random;
  random.set("select", std::string("random"));
  const auto chosen = make(world, random)->watch(make(world, random)->initial()).at("selected");
  EXPECT_EQ(chosen.size(), 2u);
  EXPECT_EQ(chosen, make(world, random)->watch(make(world, random)->initial()).at("selected"));
}

TEST(Spt, OneMaskAStepForAllTasks) {
  // Two tasks of equal rows get equal gate gradients: mask and loss do not depend on the task's id.
  const TinyBatches world({"classification"});
  const auto method = make(world);
  const Params theta = method->initial();
  Task twin = world.tasks[0];
  twin.id.index = 77;
  const auto gradient = [&](const Task& task, std::int64_t step) {
    CapturedGradients sink;
    method->gradients(theta, {task}, {1, 8, Rng(5).at({step})}, sink);
    return sink.sums.at("gates");
  };
  EXPECT_TRUE(gradient(world.tasks[0], 1).equal(gradient(twin, 1)));
  bool changes = false;
  for (std::int64_t step = 2; step < 8; ++step)
    changes = changes || !gradient(twin, step).equal(gradient(twin, 1));
  EXPECT_TRUE(changes);
}

TEST(Spt, ClosedLayersAreAbsentAndNothingBelowTheLowestDependsOnPrompts) {
  const TinyBatches world({"classification"});
  Table section;
  section.set("select", std::string("listed"));
  section.set("layers", std::vector<std::int64_t>{2});
  section.set("prompt_rows", std::int64_t{3});
  const auto method = make(world, section);
  const Params theta = method->initial();
  EXPECT_EQ(theta.numel(), (GeneratorShape{16, 128, 1}.numel()));
  // The same net by hand: run the two layers below without prompts, then go on from there.
  const SptPlan plan(section, world.ingredients());
  const Batch batch = method->batch({world.tasks[0]}, false);
  const SharedWeights frozen(world.pretrained.weights);
  const PromptGenerator generator(plan.generator(), theta, final_prefix(0));
  std::map<int, PromptGenerator> generators;
  generators.emplace(2, generator);
  const GeneratedPrompts prompts(generators, {}, 1, batch, 3, {});
  ForwardOptions options;
  options.prompts = &prompts;
  options.keep_R = batch.read_at_R;
  const at::Tensor whole = world.pretrained.backbone->encode(frozen, batch, options);
  options.first_layer = prompts.lowest();
  options.hidden_RLD = world.pretrained.backbone->encode_below(frozen, batch, 2);
  EXPECT_TRUE(whole.equal(world.pretrained.backbone->encode(frozen, batch, options)));
  const at::Tensor scores = scores_of(*method, theta, world.tasks[0], {8, 8, Rng(1)});
  const at::Tensor by_hand = Verbaliser({world.tasks[0]}, ClassPieces({&world.datasets[0]}))
                                 .logits(*world.pretrained.backbone, frozen, whole)
                                 .log_softmax(1);
  EXPECT_TRUE(scores.equal(by_hand));
}

TEST(Spt, ANetOfOpenGatesIsTheFinalNetOfAllLayers) {
  const TinyBatches world({"classification"});
  Table section;
  section.set("keep", std::int64_t{3});
  const auto method = make(world, section);
  Params theta = with_gates(method->initial(), {60, 60, 60, 60});  // a = 1 to rounding
  for (const auto& [name, value] : method->initial()) {
    if (name.starts_with("search.")) theta.set("final." + name.substr(7), value);
  }
  const at::Tensor searching = scores_of(*method, theta, world.tasks[0], {0, 8, Rng(1)});
  const at::Tensor found = scores_of(*method, theta, world.tasks[0], {8, 8, Rng(1)});
  EXPECT_LT((searching - found).abs().max().item<double>(), 1e-12);
}

TEST(Spt, MistakesAreNamed) {
  const TinyBatches world({"classification"});
  const auto with = [&](const char* key, auto value) {
    Table section;
    section.set(key, value);
    return [&world, section] { make(world, section); };
  };
  EXPECT_ERROR(with("keep", std::int64_t{4})(), Fault::usage, "method.keep", "1 to 3");
  EXPECT_ERROR(with("keep", std::int64_t{0})(), Fault::usage, "keep");
  EXPECT_ERROR(with("prompt_rows", std::int64_t{0})(), Fault::usage, "prompt_rows");
  EXPECT_ERROR(with("phm", std::int64_t{3})(), Fault::usage, "3", "16");
  EXPECT_ERROR(with("search_steps", std::int64_t{8})(), Fault::usage, "search_steps");
  EXPECT_ERROR(with("layers", std::vector<std::int64_t>{0})(), Fault::usage, "listed");
  Table twice;
  twice.set("select", std::string("listed"));
  twice.set("layers", std::vector<std::int64_t>{1, 1});
  EXPECT_ERROR(make(world, twice), Fault::usage, "twice");
  TinyBatches wordless({"classification"});
  wordless.datasets[0].label_words[1].clear();
  EXPECT_ERROR(make(wordless), Fault::data, "label 1");
  TinyBatches headless({"classification"});
  headless.pretrained = tiny_bert(3, false);
  EXPECT_ERROR(make(headless), Fault::data, "MLM head");
  const TinyBatches choices({"multiple_choice"});
  EXPECT_ERROR(make(choices), Fault::usage, "multiple_choice");
}

}  // namespace
}  // namespace metaloom
