#include "core/rng.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/PhiloxRNGEngine.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/core/expect_error.h"

namespace metaloom {
namespace {

/// A block of the engine that the draws come from, at a counter and a key as the paper has them.
std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t low, std::uint64_t high) {
  at::philox_engine engine(key, high, low);
  return {engine(), engine(), engine(), engine()};
}

TEST(Philox, GivesThePublishedVectors) {
  // kat_vectors of Random123 (Salmon et al. 2011), lines "philox4x32 10".
  using Block = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox(0, 0, 0), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint64_t kOnes = ~std::uint64_t{0};
  EXPECT_EQ(philox(kOnes, kOnes, kOnes), (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox(0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, IsAFunctionOfItsKey) {
  EXPECT_EQ(Rng(7, "x").bits(3), Rng(7, "x").bits(3));
  EXPECT_EQ(Rng(7).at({1, 2}).bits(0), Rng(7).at({1}).at({2}).bits(0));
  std::set<std::uint64_t> seen;
  const Rng rng(7);
  for (const Rng& other : {rng, Rng(8), Rng(7, "x"), rng.at({0}), rng.at({1}), rng.at({0, 0}),
                           rng.at({0, 1}), rng.at({1, 0}), rng.at("x"), rng.at("y")}) {
    for (std::uint64_t n = 0; n < 4; ++n) EXPECT_TRUE(seen.insert(other.bits(n)).second);
  }
}

// Resuming on another machine or version must repeat the run: these numbers may never change.
TEST(Rng, DrawsStayWhatTheyWere) {
  const Rng rng = Rng(42, "dropout").at({3, 1});
  EXPECT_EQ(rng.bits(0), 9167182552000458792u);
  EXPECT_EQ(rng.permutation(8), (std::vector<std::int64_t>{5, 0, 1, 4, 7, 6, 3, 2}));
}

TEST(Rng, BelowIsEvenAndInRange) {
  const Rng rng(1, "below");
  std::vector<int> counts(7);
  constexpr int kDraws = 70000;
  for (int n = 0; n < kDraws; ++n) ++counts.at(static_cast<std::size_t>(rng.below(n, 7)));
  double chi2 = 0;
  for (const int count : counts) chi2 += (count - 1e4) * (count - 1e4) / 1e4;
  EXPECT_LT(chi2, 25);  // 6 degrees of freedom: p = 3e-4
  EXPECT_EQ(rng.below(0, 1), 0);
  EXPECT_ERROR(rng.below(0, 0), Fault::internal, "below 0");
}

TEST(Rng, BelowRedrawsWhereAModuloWouldBeBiased) {
  // Of a bound of 3/4 of the range, a quarter of first draws is redrawn.
  const std::int64_t bound = (std::int64_t{1} << 62) + (std::int64_t{1} << 61);
  const Rng rng(2);
  int upper = 0;
  for (int n = 0; n < 6000; ++n) {
    const auto draw = rng.below(n, bound);
    ASSERT_GE(draw, 0);
    ASSERT_LT(draw, bound);
    upper += draw >= bound / 2;
  }
  EXPECT_NEAR(upper, 3000, 200);
}

TEST(Rng, PermutationsHoldEverythingOnce) {
  for (const std::int64_t n : {0, 1, 2, 100}) {
    auto order = Rng(3).permutation(n);
    std::sort(order.begin(), order.end());
    for (std::int64_t i = 0; i < n; ++i) EXPECT_EQ(order[i], i);
  }
  std::set<std::vector<std::int64_t>> seen;
  for (std::uint64_t seed = 0; seed < 500; ++seed) seen.insert(Rng(seed).permutation(4));
  EXPECT_EQ(seen.size(), 24u);
}

TEST(Rng, UniformTensorsAreTheDrawsInOrder) {
  const Rng rng(5);
  const auto x = rng.uniform_tensor({3, 5}, at::kDouble);
  EXPECT_EQ(x[1][2].item<double>(), rng.uniform(7));
  const auto narrow = rng.uniform_tensor({200000}, at::kBFloat16);
  EXPECT_LT(narrow.max().item<double>(), 1.0);
  EXPECT_NEAR(narrow.to(at::kDouble).mean().item<double>(), 0.5, 0.005);
}

TEST(Rng, NormalTensorsHaveTheirMoments) {
  const auto x = Rng(6).normal_tensor({400001}, 2.0, at::kDouble);
  EXPECT_NEAR(x.mean().item<double>(), 0, 0.02);
  EXPECT_NEAR(x.std().item<double>(), 2, 0.02);
  EXPECT_NEAR((x.pow(4).mean() / x.pow(2).mean().pow(2)).item<double>(), 3, 0.1);
  // Neighbours come from one pair of uniform numbers and must still be independent.
  const auto even = x.slice(0, 0, 400000, 2), odd = x.slice(0, 1, 400001, 2);
  EXPECT_NEAR((even * odd).mean().item<double>(), 0, 0.05);
  EXPECT_TRUE(x.isfinite().all().item<bool>());
}

TEST(Rng, DropoutKeepsTheMean) {
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    const auto mask = Rng(9).dropout_mask({100003}, 0.1, dtype);
    EXPECT_EQ(mask.scalar_type(), dtype);
    EXPECT_NEAR(mask.mean().item<double>(), 1, 0.01);
    EXPECT_NEAR(mask.eq(0).to(at::kDouble).mean().item<double>(), 0.1, 0.005);
  }
  EXPECT_TRUE(at::equal(Rng(9).dropout_mask({5}, 0, at::kFloat), at::ones({5})));
  EXPECT_ERROR(Rng(9).dropout_mask({5}, 1, at::kFloat), Fault::internal, "dropout rate");
}

TEST(Rng, ThreadsDoNotChangeDraws) {
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = Rng(4).normal_tensor({100001}, 1, at::kFloat);
  const auto one_mask = Rng(4).dropout_mask({100001}, 0.3, at::kFloat);
  at::set_num_threads(2);
  EXPECT_TRUE(at::equal(one, Rng(4).normal_tensor({100001}, 1, at::kFloat)));
  EXPECT_TRUE(at::equal(one_mask, Rng(4).dropout_mask({100001}, 0.3, at::kFloat)));
  at::set_num_threads(before);
}

}  // namespace
}  // namespace metaloom
