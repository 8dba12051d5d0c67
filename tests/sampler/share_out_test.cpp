// Properties of the sharing-out of packs over ranks.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "sampler/mix/mix.h"

namespace metaloom::testing {
namespace {

/// Costs that add up exactly, so that loads can be compared with ==.
std::vector<double> any_costs(int most) {
  const auto whole =
      *rc::gen::resize(most, rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 1000)));
  return {whole.begin(), whole.end()};
}

std::vector<double> loads(const std::vector<double>& costs,
                          const std::vector<std::vector<std::size_t>>& shares) {
  std::vector<double> out;
  for (const auto& share : shares) {
    double load = 0;
    for (const auto i : share) load += costs[i];
    out.push_back(load);
  }
  return out;
}

double largest(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

/// The best possible largest load, by trying all assignments.
double best(const std::vector<double>& costs, int world) {
  double found = std::accumulate(costs.begin(), costs.end(), 0.0);
  std::vector<double> load(world, 0.0);
  const std::function<void(std::size_t)> place = [&](std::size_t i) {
    if (largest(load) >= found) return;
    if (i == costs.size()) {
      found = largest(load);
      return;
    }
    for (auto& rank : load) {
      rank += costs[i];
      place(i + 1);
      rank -= costs[i];
    }
  };
  place(0);
  return found;
}

RC_GTEST_PROP(ShareOut, IsAPartitionInAscendingOrder, ()) {
  const auto costs = any_costs(60);
  const int world = *rc::gen::inRange(1, 12);
  const auto shares = share_out(costs, world);
  RC_ASSERT(static_cast<int>(shares.size()) == world);
  std::vector<std::size_t> all;
  for (const auto& share : shares) {
    RC_ASSERT(std::is_sorted(share.begin(), share.end()));
    all.insert(all.end(), share.begin(), share.end());
  }
  std::sort(all.begin(), all.end());
  std::vector<std::size_t> expected(costs.size());
  std::iota(expected.begin(), expected.end(), std::size_t{0});
  RC_ASSERT(all == expected);
}

RC_GTEST_PROP(ShareOut, IsWithinFourThirdsOfTheBest, ()) {
  const auto costs = any_costs(8);
  const int world = *rc::gen::inRange(1, 4);
  const double bound = 4.0 / 3.0 - 1.0 / (3.0 * world);
  RC_ASSERT(largest(loads(costs, share_out(costs, world))) <= bound * best(costs, world) + 1e-9);
}

RC_GTEST_PROP(ShareOut, LoadsDoNotHangOnTheOrderOfThePacks, ()) {
  auto costs = any_costs(40);
  const int world = *rc::gen::inRange(1, 9);
  const auto before = loads(costs, share_out(costs, world));
  for (std::size_t i = costs.size(); i > 1; --i)
    std::swap(costs[i - 1], costs[*rc::gen::inRange<std::size_t>(0, i)]);
  RC_ASSERT(loads(costs, share_out(costs, world)) == before);
}

RC_GTEST_PROP(ShareOut, NoRankIsIdleWhileAnotherHoldsTwoPacks, ()) {
  const auto costs = *rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 100));
  const auto shares = share_out({costs.begin(), costs.end()}, *rc::gen::inRange(1, 12));
  std::size_t least = costs.size(), most = 0;
  for (const auto& share : shares) {
    least = std::min(least, share.size());
    most = std::max(most, share.size());
  }
  RC_ASSERT(least > 0 || most <= 1);
}

TEST(ShareOut, TiesGoToTheLowerRank) {
  const std::vector<std::vector<std::size_t>> expected{{0, 3}, {1, 4}, {2}};
  EXPECT_EQ(share_out({5, 5, 5, 5, 5}, 3), expected);
}

TEST(ShareOut, RefusesWhatIsNoCost) {
  EXPECT_THROW(share_out({1, -1}, 2), Error);
  EXPECT_THROW(share_out({1, std::nan("")}, 2), Error);
  EXPECT_THROW(share_out({1}, 0), Error);
  EXPECT_EQ(share_out({}, 2).size(), 2u);
}

}  // namespace
}  // namespace metaloom::testing
