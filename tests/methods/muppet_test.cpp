// muppet by hand: a uniform guess costs 1 in every family, heads are per dataset or shared, a
// slot's loss is the mean over its own rows, and what it must not learn from is refused.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/registry.h"
#include "tests/core/expect_error.h"
#include "tests/methods/tiny_batches.h"

namespace metaloom {
namespace {

std::unique_ptr<Method> make(const TinyBatches& world, const Table& section = {}) {
  return Registry<Method>::make("muppet", section, world.ingredients());
}

std::vector<TaskOutcome> outcomes(const Method& method, const Params& theta,
                                  const std::vector<Task>& pack) {
  CapturedGradients sink;
  return method.gradients(theta, pack, {}, sink);
}

const std::vector<std::string> kFamilies{"classification", "pairs", "multiple_choice"};

TEST(Muppet, AUniformGuessCostsOneInEveryFamily) {
  const TinyBatches world(kFamilies);
  for (const char* state : {"mean", "cls"}) {
    Table section;
    section.set("state", std::string(state));
    const auto method = make(world, section);
    Params theta = method->initial();
    for (const auto& [name, value] : method->initial()) {
      if (name.starts_with("head.") && name.find(".out.") != std::string::npos)
        theta.set(name, at::zeros_like(value));
    }
    for (const TaskOutcome& outcome : outcomes(*method, theta, world.tasks))
      EXPECT_NEAR(outcome.loss, 1, 1e-12) << "dataset " << outcome.task.dataset;
  }
}

TEST(Muppet, TheLossIsTheMeanOfScaledCrossEntropies) {
  const TinyBatches world(kFamilies);
  for (const bool scaled : {true, false}) {
    Table section;
    section.set("dropout", 0.0);
    section.set("loss_scaling", scaled);
    const auto method = make(world, section);
    const Params theta = method->initial();
    for (const Task& task : world.tasks) {
      const at::Tensor scores = scores_of(*method, theta, task);
      double sum = 0;
      for (std::size_t q = 0; q < task.query.size(); ++q) {
        const bool choice = task.dataset->family == "multiple_choice";
        const std::size_t n =
            choice ? task.query[q].segments.size() - 1 : task.dataset->labels.size();
        const double cost =
            -scores[static_cast<std::int64_t>(q)][task.query[q].target.label].item<double>();
        sum += scaled ? cost / std::log(static_cast<double>(n)) : cost;
      }
      EXPECT_NEAR(outcomes(*method, theta, {task})[0].loss,
                  sum / static_cast<double>(task.query.size()), 1e-12);
    }
  }
}

TEST(Muppet, ClassificationHasAHeadPerDatasetMultipleChoiceOneForAll) {
  const TinyBatches world({"classification", "pairs", "multiple_choice", "multiple_choice"});
  const auto method = make(world);
  const Params theta = method->initial();
  const auto rows = [&](const char* name) { return theta.at(name).size(0); };
  EXPECT_EQ(rows("head.classification1.out.weight"), 3);
  EXPECT_EQ(rows("head.pairs2.out.weight"), 2);
  EXPECT_EQ(rows("head.choice.out.weight"), 1);
  EXPECT_FALSE(theta.contains("head.multiple_choice3.out.weight"));
  CapturedGradients sink;
  method->gradients(theta, {world.tasks[0]}, {}, sink);
  EXPECT_TRUE(sink.sums.contains("head.classification1.dense.weight"));
  EXPECT_FALSE(sink.sums.contains("head.pairs2.dense.weight"));  // heads of others: no gradient
  EXPECT_FALSE(sink.sums.contains("head.choice.dense.weight"));
}

TEST(Muppet, RaggedCandidatesArePaddedWithMinusInfinity) {
  const TinyBatches world({"multiple_choice"});
  const auto method = make(world);
  const at::Tensor scores = scores_of(*method, method->initial(), world.tasks[0]);
  ASSERT_EQ(scores.size(1), 3);
  for (std::size_t q = 0; q < world.tasks[0].query.size(); ++q) {
    const bool two = world.tasks[0].query[q].segments.size() == 3;
    EXPECT_EQ(std::isinf(scores[static_cast<std::int64_t>(q)][2].item<double>()), two);
  }
}

TEST(Muppet, FrozenWordEmbeddingsAreNotInTheta) {
  const TinyBatches world({"classification"});
  Table section;
  section.set("train", std::string("no-embeddings"));
  const auto method = make(world, section);
  const Params theta = method->initial();
  EXPECT_FALSE(theta.contains("model.embeddings.word_embeddings.weight"));
  EXPECT_TRUE(theta.contains("model.embeddings.position_embeddings.weight"));
  EXPECT_TRUE(method->model(theta).contains("embeddings.word_embeddings.weight"));
}

TEST(Muppet, BiasesAndLayerNormsAreNotDecayed) {
  const TinyBatches world({"classification"});
  const auto method = make(world);
  for (const ParameterGroup& group : method->groups(method->initial())) {
    for (const std::string& name : group.parameters) {
      const bool plain = name.ends_with(".bias") || name.find("LayerNorm") != std::string::npos;
      EXPECT_EQ(group.decay, plain ? std::optional(0.0) : std::nullopt) << name;
    }
  }
}

TEST(Muppet, WhatItCannotLearnFromIsRefused) {
  const TinyEpisodes episodes;
  EXPECT_ERROR(Registry<Method>::make("muppet", Table(), episodes.ingredients()), Fault::usage,
               "episodes", "tiny");
  TinyBatches world({"classification"});
  Table section;
  section.set("sate", std::string("cls"));
  EXPECT_ERROR(make(world, section), Fault::usage, "sate", "state");
  world.options.max_length = 41;
  EXPECT_ERROR(make(world), Fault::usage, "max_length", "40");
  world.options.max_length = 24;
  world.tasks[0].query[1].target.label = -1;
  EXPECT_ERROR(outcomes(*make(world), make(world)->initial(), world.tasks), Fault::data, "row 1");
}

}  // namespace
}  // namespace metaloom
