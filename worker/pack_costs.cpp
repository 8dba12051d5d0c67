#include "worker/pack_costs.h"

namespace metaloom {

std::vector<Cost> costs_of(const Method& method, const Mix& mix, const std::vector<Pack>& packs) {
  std::vector<Cost> out;
  out.reserve(packs.size());
  for (const Pack& pack : packs) {
    std::vector<TaskShape> shapes;
    shapes.reserve(pack.tasks.size());
    for (const TaskId& id : pack.tasks) shapes.push_back(mix.shape(id));
    out.push_back(method.cost(shapes));
  }
  return out;
}

std::vector<std::vector<std::size_t>> shares_of(const std::vector<Cost>& costs, int ranks) {
  std::vector<double> flops;
  flops.reserve(costs.size());
  for (const Cost& cost : costs) flops.push_back(cost.flops);
  return share_out(flops, ranks);
}

}  // namespace metaloom
