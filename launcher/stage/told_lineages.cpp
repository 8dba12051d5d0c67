#include "launcher/stage/told_lineages.h"

#include "core/json.h"
#include "launcher/process/world.h"

namespace metaloom {
namespace {

Json told(const StageLineage& lineage) {
  Json found = Json::array(), rows = Json::object();
  for (const Overlap& overlap : lineage.found) {
    found.push_back({overlap.dataset, static_cast<int>(overlap.split), overlap.trained_in,
                     overlap.rows, overlap.line});
  }
  for (const auto& [name, splits] : lineage.rows) {
    for (const auto& [split, count] : splits) {
      rows[name].push_back({static_cast<int>(split), count});
    }
  }
  return {{"found", found}, {"rows", rows}, {"described", lineage.described}};
}

StageLineage heard(const Json& told) {
  StageLineage out;
  for (const Json& one : told.at("found")) {
    out.found.push_back({one.at(0), one.at(1).get<Split>(), one.at(2), one.at(3), one.at(4)});
  }
  for (const auto& [name, splits] : told.at("rows").items()) {
    for (const Json& one : splits) out.rows[name][one.at(0).get<Split>()] = one.at(1);
  }
  out.described = told.at("described").get<std::vector<std::string>>();
  return out;
}

}  // namespace

std::vector<StageLineage> told_lineages(
    Communicator& comm, const std::function<std::vector<StageLineage>(const Alive&)>& find) {
  const Section section(comm, "overlaps");
  // Signs of life are for this process's watchdog; the others wait no longer for that, so all meet.
  const auto goes_on = [&](bool more) { return comm.vote({more ? 1 : 0}).front() != 0; };
  std::vector<StageLineage> out;
  Json text = Json::array();
  if (comm.rank() == 0) {
    out = find([&] {
      section.alive();
      goes_on(true);
    });
    goes_on(false);
    for (const StageLineage& lineage : out) text.push_back(told(lineage));
  } else {
    while (goes_on(false)) {
    }
  }
  const std::string said = as_rank_0_says(comm, comm.rank() == 0 ? text.dump() : "");
  if (comm.rank() == 0) return out;
  for (const Json& one : parse_json(said, "rank 0")) out.push_back(heard(one));
  return out;
}

}  // namespace metaloom
