// Laws of every averaging, and the two there are by hand: parts put together equal the whole, and
// a standard error is the spread that repetitions have.
#include "methods/measure.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/registry.h"
#include "core/rng.h"
#include "tests/core/expect_error.h"

namespace metaloom {
namespace {

/// `count` units of the stream: right or wrong, with probability 0.7.
Measure drawn(const std::string& averaging, const Rng& rng, std::int64_t count) {
  Measure out{.name = "m", .averaging = averaging, .count = static_cast<double>(count)};
  for (std::int64_t i = 0; i < count; ++i) {
    out.each.push_back(rng.uniform(i) < 0.7 ? 1 : 0);
    out.mean += out.each.back() / static_cast<double>(count);
  }
  return out;
}

Measure part_of(const Measure& whole, std::size_t first, std::size_t last) {
  Measure out{.name = whole.name, .averaging = whole.averaging};
  out.each.assign(whole.each.begin() + static_cast<std::ptrdiff_t>(first),
                  whole.each.begin() + static_cast<std::ptrdiff_t>(last));
  out.count = static_cast<double>(last - first);
  for (const double value : out.each) out.mean += value / out.count;
  return out;
}

class AveragingLaws : public ::testing::TestWithParam<std::string> {};

TEST_P(AveragingLaws, PartsTogetherAreTheWhole) {
  const Measure whole = drawn(GetParam(), Rng(1), 40);
  const Measure again =
      together({part_of(whole, 0, 7), part_of(whole, 7, 9), part_of(whole, 9, 40)});
  EXPECT_EQ(again.each, whole.each);
  EXPECT_EQ(again.count, whole.count);
  EXPECT_NEAR(estimate_of(again).value, estimate_of(whole).value, 1e-12);
  EXPECT_NEAR(estimate_of(again).standard_error, estimate_of(whole).standard_error, 1e-12);
}

TEST_P(AveragingLaws, TheStandardErrorIsTheSpreadOfRepetitions) {
  constexpr int kRepetitions = 2000;
  double sum = 0, squares = 0, told = 0;
  for (int i = 0; i < kRepetitions; ++i) {
    const Estimate estimate = estimate_of(drawn(GetParam(), Rng(2).at({i}), 30));
    sum += estimate.value / kRepetitions;
    squares += estimate.value * estimate.value / kRepetitions;
    told += estimate.standard_error / kRepetitions;
  }
  EXPECT_NEAR(told, std::sqrt(squares - sum * sum), 0.05 * told);  // 3 standard errors of 2,000
}

TEST_P(AveragingLaws, AsOneUnitItIsOneValue) {
  const Measure whole = drawn(GetParam(), Rng(3), 9);
  const Measure unit = as_one_unit(whole);
  EXPECT_EQ(unit.name, whole.name);
  EXPECT_EQ(unit.count, 1);
  EXPECT_EQ(unit.each, std::vector<double>{estimate_of(whole).value});
  EXPECT_EQ(estimate_of(unit).value, estimate_of(whole).value);
}

INSTANTIATE_TEST_SUITE_P(Registered, AveragingLaws,
                         ::testing::ValuesIn(Registry<Averaging>::names()),
                         [](const auto& info) { return info.param; });

// Rows of an episode are right or wrong together: as rows their error would be half of what it is.
TEST(Measures, EpisodesAreTheUnitsWhereRowsHangTogether) {
  std::vector<Measure> rows, episodes;
  for (const double accuracy : {0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0}) {
    rows.push_back({.name = "accuracy", .averaging = kShare, .mean = accuracy, .count = 4});
    episodes.push_back(as_one_unit(rows.back()));
  }
  const Estimate by_row = estimate_of(together(rows));
  const Estimate by_episode = estimate_of(together(episodes));
  EXPECT_EQ(by_row.value, by_episode.value);
  EXPECT_NEAR(by_row.standard_error, std::sqrt(0.625 * 0.375 / 32), 1e-15);
  EXPECT_NEAR(by_episode.standard_error, std::sqrt(0.625 * 0.375 / 7), 1e-15);
}

TEST(Measures, APartThatIsSmallerCountsLess) {
  const Measure whole = together({{.name = "m", .averaging = kMean, .mean = 1, .count = 3},
                                  {.name = "m", .averaging = kMean, .mean = 5, .count = 1}});
  EXPECT_EQ(whole.mean, 2);
  EXPECT_EQ(whole.count, 4);
  EXPECT_ERROR(together({{.name = "m", .averaging = kMean}, {.name = "n", .averaging = kMean}}),
               Fault::internal, "m and n");
}

TEST(Measures, OneUnitTellsNoError) {
  EXPECT_EQ(estimate_of({.name = "m", .averaging = kMean, .mean = 3, .count = 1, .each = {3}})
                .standard_error,
            0);
}

}  // namespace
}  // namespace metaloom
