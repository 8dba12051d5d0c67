#include "worker/evaluation/evaluation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "tests/core/scratch.h"
#include "tests/core/this_machine.h"
#include "tests/worker/toy_run.h"

namespace metaloom {
namespace {

// A world of one that counts its signs of life.
class Listener final : public Communicator {
 public:
  Listener() : Communicator({}, 60, this_clock) {}
  std::unique_ptr<Pending> all_reduce(at::Tensor, Reduce) override { return nullptr; }
  std::unique_ptr<Pending> reduce_scatter(at::Tensor, Reduce) override { return nullptr; }
  std::unique_ptr<Pending> all_gather(at::Tensor) override { return nullptr; }
  void broadcast(at::Tensor, int) override {}
  std::vector<std::string> all_gather(const std::string& mine) override { return {mine}; }
  void barrier() override {}
  std::vector<std::int64_t> vote(std::vector<std::int64_t> mine) override { return mine; }
  void announce(const std::string& section, std::chrono::duration<double>) override {
    ++signs[section];
  }
  [[noreturn]] void abort(int, const std::string&) override { std::abort(); }

  std::map<std::string, std::int64_t> signs;
};

TEST(Evaluation, GivesASignOfLifeForEveryTask) {
  // What broke: an evaluation longer than comm.deadline was taken for a stuck process.
  const Scratch scratch;
  const Mix mix(toy_mix(scratch.path()), Rng(1));
  const ToyMethod method;
  Listener comm;
  EvaluationOptions options;
  options.batches = 3;
  const auto scores =
      evaluate(comm, method, method.initial(), mix, Split::validation, options, {}, "toy");
  ASSERT_EQ(scores.size(), 1u);
  EXPECT_GE(comm.signs.at("evaluation"), 3);
}

/// Says of every task how many of its rows are right, and of each row a number of its own.
class TwoMeasures final : public Method {
 public:
  void fields(Fields&) override {}
  Params initial() const override { return {}; }
  std::vector<ParameterGroup> groups(const Params&) const override { return {}; }
  Phase phase(std::int64_t) const override { return {}; }
  std::vector<TaskOutcome> gradients(const Params&, const std::vector<Task>&, const StepContext&,
                                     GradientSink&) const override {
    return {};
  }
  std::vector<Measure> evaluate(const Params&, const Task& task,
                                const StepContext&) const override {
    Measure right{.name = "accuracy", .averaging = kShare};
    Measure overlap{.name = "f1", .averaging = kMean};
    for (const Example& row : task.query) {
      right.each.push_back(row.row % 3 == 0 ? 1 : 0);
      overlap.each.push_back(static_cast<double>(row.row) / 4);
    }
    for (Measure* one : {&right, &overlap}) {
      one->count = static_cast<double>(one->each.size());
      for (const double value : one->each) one->mean += value / one->count;
    }
    return {right, {.name = kLoss, .averaging = kMean, .mean = 7, .count = right.count}, overlap};
  }
  Params model(const Params&) const override { return {}; }
  Cost cost(const std::vector<TaskShape>&) const override { return {}; }
  Batch batch(const std::vector<Task>&, bool) const override { return {}; }
};

std::vector<Score> scored(const std::string& family) {
  const Scratch scratch;
  testing::write(testing::sample(family), scratch.path());
  const MixOptions options{.root = scratch.path().string(),
                           .datasets = {"made"},
                           .slots = 2,
                           .task = {.batch = 4, .ways = 3, .shots = 2, .queries = 4}};
  const Mix mix(options, Rng(1));
  Listener comm;
  EvaluationOptions some;
  some.episodes = 9;
  return evaluate(comm, TwoMeasures(), {}, mix, Split::test, some, {}, "toy");
}

TEST(Evaluation, BatchesAreScoredOverRowsMeasureByMeasure) {
  const std::vector<Score> scores = scored("classification");  // 21 rows, 7 of them right
  ASSERT_EQ(scores.size(), 2u);
  EXPECT_EQ(scores[0].metric, "accuracy");
  EXPECT_NEAR(scores[0].value, 1.0 / 3, 1e-12);
  EXPECT_NEAR(scores[0].standard_error, std::sqrt(1.0 / 3 * 2 / 3 / 21), 1e-12);
  EXPECT_EQ(scores[0].n, 21);
  EXPECT_EQ(scores[0].right.size(), 21u);
  EXPECT_EQ(std::count(scores[0].right.begin(), scores[0].right.end(), '1'), 7);
  EXPECT_TRUE(scores[0].values.empty());
  EXPECT_EQ(scores[1].metric, "f1");
  EXPECT_NEAR(scores[1].value, 2.5, 1e-12);  // the mean of 0, 1/4, ... 5
  EXPECT_NEAR(scores[1].standard_error, std::sqrt(38.5 / 21) / 4, 1e-12);
  EXPECT_EQ(scores[1].values.size(), 21u);
  EXPECT_TRUE(scores[1].right.empty());
  EXPECT_EQ(scores[0].averaging, kShare);
  EXPECT_EQ(scores[1].averaging, kMean);
  for (const Score& score : scores) {
    EXPECT_NEAR(score.loss, 7, 1e-12);
    EXPECT_FALSE(score.episodes);
  }
}

TEST(Evaluation, EpisodesAreTheUnitsOfWhatIsMeasuredInThem) {
  const std::vector<Score> scores = scored("episodes");
  ASSERT_EQ(scores.size(), 2u);
  for (const Score& score : scores) {
    EXPECT_EQ(score.n, 9) << score.metric;
    EXPECT_TRUE(score.episodes);
    EXPECT_EQ(score.averaging, score.metric == "accuracy" ? kShare : kMean);  // of its rows
    EXPECT_TRUE(score.right.empty()) << score.metric;
    ASSERT_EQ(score.values.size(), 9u) << score.metric;
    double mean = 0, squares = 0;
    for (const double value : score.values) mean += value / 9;
    for (const double value : score.values) squares += (value - mean) * (value - mean);
    EXPECT_NEAR(score.value, mean, 1e-12);
    EXPECT_NEAR(score.standard_error, std::sqrt(squares / 8 / 9), 1e-12);
    EXPECT_GT(score.standard_error, 0);
  }
}

TEST(Evaluation, AMeasureThatIsNoShareIsAPlainNumber) {
  // What broke: every measure was printed as a percentage, a loss of 2.3 as 230 %.
  Score score{
      .metric = "accuracy", .averaging = kShare, .value = 0.8154, .standard_error = 0.01, .n = 100};
  EXPECT_EQ(score_text(score, 1), "accuracy 81.5 % +- 2.0 (n = 100)");
  EXPECT_EQ(score_text(score, 2), "accuracy 81.54 % +- 1.96 (n = 100)");
  score.averaging = "correlation";
  score.left_out = 3;
  EXPECT_EQ(score_text(score, 2), "accuracy 0.8154 +- 0.02 (n = 100, 3 left out)");
  EXPECT_EQ(value_text(2.302585, kMean, 1), "2.303");
}

TEST(Evaluation, AGainIsOfUnitsThatAreKept) {
  // What broke: where none are (mlm), "gain +0.00 points (paired, n = 0)" was printed.
  const Score nothing{.averaging = kShare, .value = 0.5, .n = 100};
  EXPECT_TRUE(paired_gain(nothing, nothing).each.empty());
  const Measure rows = paired_gain({.right = "0101"}, {.right = "1101"});
  EXPECT_EQ(rows.each, (std::vector<double>{1, 0, 0, 0}));
  EXPECT_EQ(rows.mean, 0.25);
  EXPECT_EQ(paired_gain({.values = {1, 2}}, {.values = {2, 5}}).mean, 2);
}

}  // namespace
}  // namespace metaloom
