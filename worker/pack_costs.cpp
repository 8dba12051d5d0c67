#include "worker/pack_costs.h"

#include <cstring>
#include <type_traits>

#include "core/error.h"

namespace metaloom {

namespace {

/// Below it a rank is done with all tasks before it could have heard of them.
constexpr std::size_t kManyTasks = 256;

static_assert(std::is_trivially_copyable_v<Cost>);

std::string bytes_of(const std::vector<Cost>& costs) {
  return {reinterpret_cast<const char*>(costs.data()), costs.size() * sizeof(Cost)};
}

}  // namespace

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

std::vector<Cost> costs_of(Communicator& comm, const Method& method, const Mix& mix,
                           const std::vector<Pack>& packs) {
  std::size_t tasks = 0;
  for (const Pack& pack : packs) tasks += pack.tasks.size();
  if (comm.size() == 1 || tasks < kManyTasks) return costs_of(method, mix, packs);
  const auto first_of = [&](int rank) {
    return std::ssize(packs) * rank / static_cast<std::int64_t>(comm.size());
  };
  const std::vector<Pack> mine(packs.begin() + first_of(comm.rank()),
                               packs.begin() + first_of(comm.rank() + 1));
  std::string all;
  for (const std::string& part : comm.all_gather(bytes_of(costs_of(method, mix, mine)))) {
    all += part;
  }
  std::vector<Cost> out(packs.size());
  if (all.size() != out.size() * sizeof(Cost)) {
    throw Error(Fault::internal, "ranks told the costs of other packs than were planned",
                "costs_of");
  }
  std::memcpy(out.data(), all.data(), all.size());
  return out;
}

std::vector<std::vector<std::size_t>> shares_of(const std::vector<Cost>& costs, int ranks) {
  std::vector<double> flops;
  flops.reserve(costs.size());
  for (const Cost& cost : costs) flops.push_back(cost.flops);
  return share_out(flops, ranks);
}

}  // namespace metaloom
