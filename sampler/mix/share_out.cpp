// Longest processing time first (Graham 1969): at most 4/3 - 1/(3 world) of the best possible.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <queue>

#include "core/error.h"
#include "sampler/mix/mix.h"

namespace metaloom {

std::vector<std::vector<std::size_t>> share_out(const std::vector<double>& costs, int world) {
  if (world < 1)
    throw Error(Fault::internal, fmt::format("work shared out to {} ranks", world), "share_out");
  for (std::size_t i = 0; i < costs.size(); ++i)
    if (!std::isfinite(costs[i]) || costs[i] < 0)
      throw Error(Fault::internal, fmt::format("pack {} costs {}", i, costs[i]), "share_out");

  std::vector<std::size_t> order(costs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return costs[a] > costs[b]; });

  using Load = std::pair<double, int>;  // of a rank; equal loads: the lower rank
  std::priority_queue<Load, std::vector<Load>, std::greater<>> least;
  for (int rank = 0; rank < world; ++rank) least.emplace(0.0, rank);
  std::vector<std::vector<std::size_t>> shares(world);
  for (const std::size_t item : order) {
    const auto [load, rank] = least.top();
    least.pop();
    shares[rank].push_back(item);
    least.emplace(load + costs[item], rank);
  }
  for (auto& share : shares) std::sort(share.begin(), share.end());
  return shares;
}

}  // namespace metaloom
