#include "worker/reduction/update_outcome.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string>

#include "core/json.h"

namespace metaloom {
namespace {

Json to_json(const TaskOutcome& outcome) {
  const TaskId& id = outcome.task;
  Json metrics = Json::array();
  for (const Metric& one : outcome.metrics) {
    metrics.push_back({one.name, one.averaging, one.value});
  }
  return Json{
      {"task",
       {id.dataset, static_cast<int>(id.split), static_cast<int>(id.half), id.pass, id.index}},
      {"weight", outcome.weight},
      // A non-finite loss has no JSON form; the flag says what it was.
      {"loss", outcome.finite ? outcome.loss : 0.0},
      {"finite", outcome.finite},
      {"tokens", outcome.tokens},
      {"metrics", metrics}};
}

TaskOutcome from_json(const Json& json) {
  TaskOutcome out;
  const Json& id = json.at("task");
  out.task = {id[0].get<int>(), static_cast<Split>(id[1].get<int>()),
              static_cast<Half>(id[2].get<int>()), id[3].get<std::int64_t>(),
              id[4].get<std::int64_t>()};
  out.weight = json.at("weight").get<double>();
  out.loss = json.at("loss").get<double>();
  out.finite = json.at("finite").get<bool>();
  out.tokens = json.at("tokens").get<std::int64_t>();
  // A metric of a non-finite task may be null.
  for (const Json& one : json.at("metrics")) {
    if (one[2].is_number()) out.metrics.push_back({one[0], one[1], one[2].get<double>()});
  }
  return out;
}

}  // namespace

void UpdateOutcome::add(std::int64_t pack, const std::vector<TaskOutcome>& tasks) {
  packs_[pack] = tasks;
}

void UpdateOutcome::exchange(Communicator& comm) {
  Json mine = Json::array();
  for (const auto& [pack, tasks] : packs_) {
    Json list = Json::array();
    for (const TaskOutcome& task : tasks) list.push_back(to_json(task));
    mine.push_back({pack, list});
  }
  packs_.clear();
  for (const std::string& text : comm.all_gather(mine.dump())) {
    for (const Json& entry : parse_json(text, "outcomes of another rank")) {
      auto& tasks = packs_[entry[0].get<std::int64_t>()];
      for (const Json& task : entry[1]) tasks.push_back(from_json(task));
    }
  }
  tasks_.clear();
  for (const auto& [pack, tasks] : packs_) tasks_.insert(tasks_.end(), tasks.begin(), tasks.end());
}

double UpdateOutcome::divisor() const {
  double sum = 0;
  for (const TaskOutcome& task : tasks_) sum += task.finite ? task.weight : 0;
  return sum;
}

double UpdateOutcome::loss() const {
  double sum = 0;
  for (const TaskOutcome& task : tasks_) sum += task.finite ? task.weight * task.loss : 0;
  return divisor() > 0 ? sum / divisor() : std::numeric_limits<double>::quiet_NaN();
}

std::vector<Metric> UpdateOutcome::metrics() const {
  std::vector<Metric> out;
  std::map<std::string, double> weights;
  for (const TaskOutcome& task : tasks_) {
    if (!task.finite) continue;
    for (const Metric& one : task.metrics) {
      const auto same = [&](const Metric& other) { return other.name == one.name; };
      auto sum = std::find_if(out.begin(), out.end(), same);
      if (sum == out.end()) sum = out.insert(sum, Metric{one.name, one.averaging});
      sum->value += task.weight * one.value;
      weights[one.name] += task.weight;
    }
  }
  for (Metric& one : out) one.value /= weights.at(one.name);
  return out;
}

std::int64_t UpdateOutcome::tokens() const {
  std::int64_t sum = 0;
  for (const TaskOutcome& task : tasks_) sum += task.tokens;
  return sum;
}

std::vector<TaskId> UpdateOutcome::non_finite() const {
  std::vector<TaskId> out;
  for (const TaskOutcome& task : tasks_) {
    if (!task.finite) out.push_back(task.task);
  }
  return out;
}

}  // namespace metaloom
