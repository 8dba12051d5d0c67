// What single task families do beyond the laws, and the stores they refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "core/registry.h"
#include "tests/sampler/made_stores.h"

namespace metaloom::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Made {
  explicit Made(const StoreArrays& arrays, TaskOptions options = {})
      : store(write(arrays, folder.path())),
        family(Registry<TaskFamily>::make(arrays.family, store, options, Rng(1, "test"))) {}
  TemporaryFolder folder;
  TokenStore store;
  std::unique_ptr<TaskFamily> family;
};

TEST(Families, AreRegisteredByTheNamesOfTheFormat) {
  EXPECT_THAT(Registry<TaskFamily>::names(),
              ::testing::IsSupersetOf({"classification", "episodes", "multiple_choice"}));
}

TEST(Classification, OneLabelIsRefused) {
  StoreArrays made = sample("classification");
  made.labels = {"only"};
  for (auto& split : made.splits)
    for (auto& label : split.labels) label = 0;
  EXPECT_THAT(error_of(Fault::data, [&] { Made m(made); }),
              AllOf(HasSubstr("1 label"), HasSubstr("made.h5"), HasSubstr("at least two")));
}

TEST(Classification, UnlabelledRowsAndThreeTextsAreRefused) {
  StoreArrays made = sample("classification");
  made.split(Split::test).labels[4] = -1;
  EXPECT_THAT(error_of(Fault::data, [&] { Made m(made); }),
              AllOf(HasSubstr("without a label"), HasSubstr("split test, row 4")));
  made = sample("classification");
  made.split(Split::validation).add({2, 3, 4}, 0);
  EXPECT_THAT(error_of(Fault::data, [&] { Made m(made); }),
              AllOf(HasSubstr("3 texts"), HasSubstr("split validation, row 10")));
}

TEST(MultipleChoice, OneCandidateOrNoAnswerIsRefused) {
  StoreArrays made = sample("multiple_choice");
  made.split(Split::train).add({5, 3}, -1);
  EXPECT_THAT(error_of(Fault::data, [&] { Made m(made); }),
              AllOf(HasSubstr("1 choices"), HasSubstr("split train, row 75")));
  made = sample("multiple_choice");
  made.split(Split::train).labels[8] = -1;
  EXPECT_THAT(error_of(Fault::data, [&] { Made m(made); }),
              AllOf(HasSubstr("number -1"), HasSubstr("row 8")));
}

TEST(MultipleChoice, CandidatesMayDifferInNumberInsideABatch) {
  const Made made(sample("multiple_choice"));
  std::set<std::size_t> segments;
  for (const Example& e : made.family->draw({0, Split::train, Half::all, 0, 0}).query)
    segments.insert(e.segments.size());
  EXPECT_GT(segments.size(), 1u);
}

TEST(Batches, TheLastOneIsKept) {
  TaskOptions options;
  options.batch = 16;
  const Made made(sample("classification"), options);  // 75 = 4 * 16 + 11
  EXPECT_EQ(made.family->tasks_per_pass(Split::train, Half::all), 5);
  EXPECT_EQ(made.family->draw({0, Split::train, Half::all, 0, 4}).query.size(), 11u);
  EXPECT_EQ(made.family->tasks_per_pass(Split::train, Half::first), 3);   // 38 rows
  EXPECT_EQ(made.family->tasks_per_pass(Split::train, Half::second), 3);  // 37 rows
}

TEST(Batches, WasteLittlePadding) {
  TaskOptions options;
  options.batch = 16;
  const Made made(sample("classification", "made", 2000), options);
  for (const Half half : {Half::all, Half::first}) {
    std::int64_t tokens = 0, padded = 0;
    for (std::int64_t i = 0; i < made.family->tasks_per_pass(Split::train, half); ++i) {
      const TaskShape shape = made.family->shape({0, Split::train, half, 0, i});
      tokens += shape.query_tokens;
      padded += shape.query_rows * shape.longest;
    }
    EXPECT_GT(static_cast<double>(tokens), 0.9 * static_cast<double>(padded));
  }
}

TEST(Batches, AreMixedAnewInEveryPass) {
  const Made made(sample("classification", "made", 2000));
  std::set<std::multiset<std::int64_t>> seen;
  for (const std::int64_t pass : {0, 1, 2})
    for (std::int64_t i = 0; i < 125; ++i) {
      std::multiset<std::int64_t> rows;
      for (const Example& e : made.family->draw({0, Split::train, Half::all, pass, i}).query)
        rows.insert(e.row);
      seen.insert(rows);
    }
  EXPECT_EQ(seen.size(), 375u);
}

/// Rows are sorted by length for evaluation: its first batches alone would be the easy ones.
TEST(Batches, AShortEvaluationSpreadsOverAllLengths) {
  TaskOptions options;
  options.batch = 5;
  const Made made(sample("classification", "made", 1000), options);
  const auto indices = made.family->evaluation(Split::train, 10);
  EXPECT_EQ(indices.front(), 0);
  EXPECT_EQ(indices.back(), 180);
  EXPECT_EQ(made.family->evaluation(Split::test, 0).size(), 5u);
  EXPECT_EQ(made.family->evaluation(Split::test, 1000).size(), 5u);
}

TaskOptions shots(std::int64_t ways, std::int64_t shots, std::int64_t queries) {
  TaskOptions options;
  options.ways = ways;
  options.shots = shots;
  options.queries = queries;
  return options;
}

TEST(Episodes, FewerClassesThanWaysAreRefused) {
  const Made made(sample("episodes"), shots(7, 1, 5));
  EXPECT_NO_THROW(made.family->tasks_per_pass(Split::train, Half::all)) << "train has 8";
  for (const auto& ask : std::vector<std::function<void()>>{
           [&] { made.family->tasks_per_pass(Split::test, Half::all); },
           [&] {
             made.family->draw({0, Split::test, Half::all, 0, 0});
           },
           [&] {
             made.family->shape({0, Split::test, Half::all, 0, 0});
           },
           [&] { made.family->evaluation(Split::test, 10); }})
    EXPECT_THAT(error_of(Fault::data, ask),
                AllOf(HasSubstr("made.h5, split test"), HasSubstr("6 classes"),
                      HasSubstr("needs 7"), HasSubstr("data.ways to at most 6")));
}

TEST(Episodes, AnEmptySplitHasNoEpisodes) {
  StoreArrays arrays = sample("episodes");
  arrays.split(Split::validation) = {};
  const Made made(arrays, shots(2, 1, 1));
  EXPECT_THAT(error_of(Fault::data, [&] { made.family->evaluation(Split::validation, 0); }),
              AllOf(HasSubstr("split validation"), HasSubstr("0 classes")));
}

TEST(Episodes, AClassWithTooFewRowsIsNamed) {
  const Made enough(sample("episodes"), shots(5, 4, 8));
  EXPECT_NO_THROW(enough.family->draw({0, Split::train, Half::all, 0, 0})) << "12 rows suffice";
  const Made made(sample("episodes"), shots(5, 5, 8));
  EXPECT_THAT(
      error_of(Fault::data, [&] { made.family->tasks_per_pass(Split::validation, Half::all); }),
      AllOf(HasSubstr("\"class 8\""), HasSubstr("12 rows"), HasSubstr("needs 13"),
            HasSubstr("split validation"), HasSubstr("data.shots")));
}

TEST(Episodes, AClassInTwoSplitsIsRefused) {
  StoreArrays made = sample("episodes");
  made.split(Split::test).labels[3] = 2;
  EXPECT_THAT(error_of(Fault::data, [&] { Made m(made); }),
              AllOf(HasSubstr("\"class 2\""), HasSubstr("train and test"), HasSubstr("made.h5")));
}

TEST(Episodes, RowsWithoutALabelBelongToNoClass) {
  StoreArrays arrays = sample("episodes");
  arrays.split(Split::train).labels[0] = -1;
  const Made made(arrays, shots(8, 1, 10));
  for (std::int64_t i = 0; i < 50; ++i)
    for (const Example& e : made.family->draw({0, Split::train, Half::all, 0, i}).query)
      ASSERT_NE(e.row, 0);
}

TEST(Episodes, DrawClassesAndRowsEvenly) {
  const Made made(sample("episodes"), shots(3, 2, 3));
  std::map<std::int64_t, double> first_class, classes, support, query;
  constexpr double kDraws = 8000;
  for (std::int64_t i = 0; i < kDraws; ++i) {
    const Task task = made.family->draw({0, Split::train, Half::all, 0, i});
    first_class[task.classes[0]] += 1;
    for (const auto c : task.classes) classes[c] += 1;
    for (const Example& e : task.support) support[e.row] += 1;
    for (const Example& e : task.query) query[e.row] += 1;
  }
  // Within 5 standard deviations of a binomial.
  const auto even = [&](const auto& counts, std::size_t places, double chance) {
    EXPECT_EQ(counts.size(), places);
    for (const auto& [place, seen] : counts)
      EXPECT_NEAR(seen, kDraws * chance, 5 * std::sqrt(kDraws * chance * (1 - chance))) << place;
  };
  even(first_class, 8, 1.0 / 8);
  even(classes, 8, 3.0 / 8);
  even(support, 96, 3.0 / 8 * 2 / 12);
  even(query, 96, 3.0 / 8 * 3 / 12);
}

TEST(Episodes, ALongerEvaluationBeginsWithTheShorter) {
  const Made made(sample("episodes"), shots(3, 1, 2));
  const auto few = made.family->evaluation(Split::test, 7);
  const auto many = made.family->evaluation(Split::test, 300);
  EXPECT_EQ(many.size(), 300u);
  EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin()));
  EXPECT_EQ(made.family->evaluation(Split::test, 0).size(), 100u);
}

}  // namespace
}  // namespace metaloom::testing
