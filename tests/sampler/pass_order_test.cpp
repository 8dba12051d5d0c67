// The order of a pass, listed or computed: every number once, another one for every key, and none
// of it where the one before would let you expect it.
#include "sampler/pass_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "sampler/families/batch_order.h"
#include "tests/sampler/made_stores.h"

namespace metaloom::testing {
namespace {

std::vector<std::int64_t> all_of(const PassOrder& order) {
  std::vector<std::int64_t> out;
  for (std::int64_t place = 0; place < order.size(); ++place) out.push_back(order[place]);
  return out;
}

TEST(PassOrder, IsThatOfBeforeUpToALength) {
  const Rng key(3, "order");
  for (const std::int64_t count : {1, 2, 17, 5000})
    EXPECT_EQ(all_of(PassOrder(key, count)), key.permutation(count));
  const PassOrder longest(key, PassOrder::kListed);
  const auto listed = key.permutation(PassOrder::kListed);
  for (std::int64_t place = 0; place < PassOrder::kListed; place += 997)
    ASSERT_EQ(longest[place], listed[static_cast<std::size_t>(place)]);
}

TEST(PassOrder, HoldsEveryNumberOnceWhereItIsComputed) {
  for (const std::int64_t count :
       {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 99, 100, 101, 1023, 1024, 1025, 65536, 100003}) {
    auto all = all_of(PassOrder(Rng(5, "order"), count, 0));
    std::sort(all.begin(), all.end());
    std::vector<std::int64_t> expected(static_cast<std::size_t>(count));
    std::iota(expected.begin(), expected.end(), std::int64_t{0});
    ASSERT_EQ(all, expected) << count;
  }
  const PassOrder huge(Rng(5, "order"), std::int64_t{1} << 40);
  for (std::int64_t place = 0; place < 1000; ++place) {
    ASSERT_GE(huge[place], 0);
    ASSERT_LT(huge[place], huge.size());
    ASSERT_EQ(huge[place], huge[place]);
  }
}

/// A run goes on with the order that it began with. Printed by this test when PassOrder was
/// written.
TEST(PassOrder, IsTheSameInEveryProgram) {
  const PassOrder order(Rng(7, "golden"), 10'000'000);
  const std::vector<std::int64_t> found{order[0], order[1], order[2], order[9'999'999]};
  EXPECT_EQ(found, (std::vector<std::int64_t>{6835034, 8318529, 2339593, 3954698}));
}

/// Pearson's test over 100 cells; 148.2 is exceeded by chance once in a thousand (99 degrees).
double chi_square(const std::vector<std::int64_t>& cells) {
  const double each = std::accumulate(cells.begin(), cells.end(), 0.0) / 100;
  double sum = 0;
  for (const std::int64_t seen : cells)
    sum += (static_cast<double>(seen) - each) * (static_cast<double>(seen) - each) / each;
  return sum;
}

TEST(PassOrder, IsEvenlyScattered) {
  constexpr std::int64_t kCount = 3'000'000, kDrawn = 100'000;
  const PassOrder order(Rng(1, "even"), kCount);
  std::vector<std::int64_t> places(100, 0), steps(100, 0), across(100, 0);
  for (std::int64_t place = 0; place < kDrawn; ++place) {
    const std::int64_t here = order[place], next = order[place + 1];
    places[static_cast<std::size_t>(here * 100 / kCount)] += 1;
    steps[static_cast<std::size_t>((next - here + kCount) % kCount * 100 / kCount)] += 1;
    across[static_cast<std::size_t>(here % 10 * 10 + next % 10)] += 1;
  }
  EXPECT_LT(chi_square(places), 148.2) << "of the first rows of a pass";
  EXPECT_LT(chi_square(steps), 148.2) << "from one row to the next";
  EXPECT_LT(chi_square(across), 148.2) << "last digits of neighbours";
}

TEST(PassOrder, HangsOnTheKeyAlone) {
  std::vector<std::int64_t> cells(100,
                                  0);  // where number 0's place holds which tenth in two passes
  for (std::int64_t pass = 0; pass < 2000; ++pass) {
    const PassOrder order(Rng(9, "keys").at({pass}), 2'000'000),
        again(Rng(9, "keys").at({pass}), 2'000'000);
    const PassOrder other(Rng(10, "keys").at({pass}), 2'000'000);
    ASSERT_EQ(order[123], again[123]);
    cells[static_cast<std::size_t>(order[0] / 200'000 * 10 + other[0] / 200'000)] += 1;
  }
  EXPECT_LT(chi_square(cells), 148.2);
}

/// Batches keep their laws where their order is computed.
TEST(BatchOrder, DealsEveryRowOnceWhereItsOrderIsComputed) {
  TemporaryFolder folder;
  const TokenStore store(write(sample("classification", "made", 2000), folder.path()));
  const auto length = [&](Split split, std::int64_t row) { return store.row_tokens(split, row); };
  const BatchOrder order(store, 7, length, Rng(2, "test"), 100);
  std::set<std::vector<std::int64_t>> batches;
  for (const std::int64_t pass : {0, 1}) {
    std::vector<std::int64_t> halves;
    for (const Half half : {Half::all, Half::first, Half::second}) {
      std::vector<std::int64_t> seen;
      for (std::int64_t i = order.batches(Split::train, half); i-- > 0;) {
        const auto rows = order.rows({0, Split::train, half, pass, i});
        for (std::size_t r = 1; r < rows.size(); ++r)
          ASSERT_LE(length(Split::train, rows[r - 1]), length(Split::train, rows[r]));
        seen.insert(seen.end(), rows.begin(), rows.end());
        batches.insert(rows);
      }
      if (half != Half::all) {
        halves.insert(halves.end(), seen.begin(), seen.end());
        if (half == Half::first) continue;
        seen = halves;
      }
      std::sort(seen.begin(), seen.end());
      std::vector<std::int64_t> all(2000);
      std::iota(all.begin(), all.end(), std::int64_t{0});
      ASSERT_EQ(seen, all);
    }
  }
  EXPECT_EQ(batches.size(), 2u * (286 + 143 + 143)) << "mixed anew in every pass and half";
}

}  // namespace
}  // namespace metaloom::testing
