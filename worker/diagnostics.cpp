#include "worker/diagnostics.h"

#include <fmt/format.h>

#include <cmath>

#include "core/json.h"
#include "core/log/log.h"

namespace metaloom {
namespace {

/// Mean loss and metrics of each dataset that had a finite task in this update.
Json per_dataset(const UpdateOutcome& outcome, const Mix& mix) {
  std::map<int, std::pair<int, std::map<std::string, double>>> sums;
  for (const TaskOutcome& task : outcome.tasks()) {
    if (!task.finite) continue;
    auto& [count, values] = sums[task.task.dataset];
    ++count;
    values["loss"] += task.loss;
    for (const Metric& metric : task.metrics) values[metric.name] += metric.value;
  }
  Json out = Json::object();
  for (const auto& [dataset, entry] : sums) {
    Json& json = out[mix.info(dataset).name];
    for (const auto& [name, sum] : entry.second) json[name] = sum / entry.first;
  }
  return out;
}

}  // namespace

Diagnostics::Diagnostics(Parts parts, const EvaluationOptions& options, std::int64_t first_step)
    : parts_(std::move(parts)),
      options_(options),
      progress_(parts_.comm.clock(), parts_.stage, first_step, parts_.steps,
                parts_.comm.rank() == 0) {}

void Diagnostics::update(std::int64_t step, const Phase& phase, const UpdateOutcome& outcome,
                         double norm, double rate, const Params& theta) {
  for (const TaskId& id : outcome.non_finite()) {
    if (parts_.comm.rank() != 0) break;
    spdlog::warn("update {}: task {} of {} (pass {}) is not finite and was left out", step,
                 id.index, parts_.mix.info(id.dataset).name, id.pass);
  }
  const std::vector<Metric> metrics = outcome.metrics();
  std::string shown;
  if (!metrics.empty()) {
    const Metric& first = metrics.front();
    shown = fmt::format("  {} {}", first.name, value_text(first.value, first.averaging, 1));
  }
  progress_.update(step, outcome.loss(), shown, outcome.tokens(),
                   static_cast<std::int64_t>(outcome.tasks().size()));
  if (parts_.metrics != nullptr) {
    Json json{{"kind", "update"},
              {"stage", parts_.stage},
              {"step", step},
              {"time", parts_.comm.clock().wall()},
              {"phase", phase.name},
              {"loss", outcome.loss()},
              {"grad_norm", norm},
              {"lr", rate},
              {"tokens", outcome.tokens()},
              {"tokens_per_s", progress_.tokens_per_second()},
              {"tasks_per_s", progress_.tasks_per_second()}};
    for (const Metric& metric : metrics) json[metric.name] = metric.value;
    json["tasks"] = per_dataset(outcome, parts_.mix);
    if (std::isnan(norm)) json["skipped"] = true;
    for (const TaskId& id : outcome.non_finite()) {
      json["non_finite"].push_back(
          {{"dataset", parts_.mix.info(id.dataset).name}, {"index", id.index}, {"pass", id.pass}});
    }
    parts_.metrics->append(json.dump());
    write_watch(theta, step);
  }
}

void Diagnostics::validate(std::int64_t step, const Params& theta) {
  if (options_.every > 0 && step % options_.every == 0 && step < parts_.steps) {
    score(theta, step, "validation", Split::validation, false);
  }
}

void Diagnostics::write_watch(const Params& theta, std::int64_t step) {
  for (const auto& [name, values] : parts_.method.watch(theta)) {
    const Json json{{"kind", name}, {"stage", parts_.stage}, {"step", step}, {"values", values}};
    parts_.metrics->append(json.dump());
  }
}

void Diagnostics::before(const Params& theta) {
  if (!options_.before) return;
  score(theta, 0, options_.before_name, options_.split, false);
}

void Diagnostics::after(const Params& theta) {
  score(theta, parts_.steps, options_.after_name, options_.split, true);
  // The stage is finished next, and what is finished scores nothing again.
  if (parts_.metrics != nullptr) parts_.metrics->sync();
}

void Diagnostics::score(const Params& theta, std::int64_t step, const std::string& name,
                        Split split, bool final) {
  const double start = parts_.comm.clock().now();
  const auto scores = evaluate(parts_.comm, parts_.method, theta, parts_.mix, split, options_,
                               parts_.context(step), parts_.stage + "  " + name);
  progress_.leave_out(parts_.comm.clock().now() - start);
  for (const Score& score : scores) {
    if (parts_.metrics == nullptr) break;
    spdlog::info("{}  {}  {}: {}", parts_.stage, name, score.dataset, score_text(score, 1));
    Json json{{"kind", "evaluation"},
              {"stage", parts_.stage},
              {"step", step},
              {"final", final},
              {"name", name_of(split)},
              {"condition", name},
              {"dataset", score.dataset},
              {"metric", score.metric},
              {"averaging", score.averaging},
              {"value", score.value},
              {"standard_error", score.standard_error},
              {"loss", score.loss},
              {"n", score.n},
              {"episodes", score.episodes},
              {"values", score.values},
              {"right", score.right}};
    if (score.left_out > 0) json["left_out"] = score.left_out;
    parts_.metrics->append(json.dump());
  }
}

}  // namespace metaloom
