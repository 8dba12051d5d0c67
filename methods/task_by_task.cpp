#include "methods/task_by_task.h"

#include <ATen/ATen.h>

#include <set>

namespace metaloom {
namespace {

/// Whether the loss and all of its gradient were finite, and added to the pack's sums.
bool add_finite(const at::Tensor& loss, const Params& leaves, GradientSink& sink) {
  if (!loss.isfinite().item<bool>()) return false;
  const Params gradient = grad(loss, leaves);
  if (!all_finite(gradient)) return false;
  for (const auto& [name, value] : gradient) sink.add(name, value);
  return true;
}

}  // namespace

std::vector<TaskOutcome> gradients_task_by_task(
    const std::vector<Task>& pack, GradientSink& sink,
    const std::function<Params(const Task& task)>& leaves_of,
    const std::function<TaskLoss(const Task& task, const Params& leaves)>& loss_of) {
  std::vector<TaskOutcome> outcomes;
  std::set<std::string> added;  // by some task: each may train other leaves
  for (const Task& task : pack) {
    const Params leaves = leaves_of(task);
    TaskLoss loss = loss_of(task, leaves);
    TaskOutcome outcome;
    outcome.task = task.id;
    outcome.loss = loss.total.item<double>();
    outcome.tokens = loss.tokens;
    outcome.metrics = std::move(loss.metrics);
    outcome.finite = add_finite(loss.total, leaves, sink);
    if (outcome.finite) {
      for (const std::string& name : leaves.names()) added.insert(name);
    }
    outcomes.push_back(std::move(outcome));
  }
  for (const std::string& name : added) sink.complete(name);
  return outcomes;
}

}  // namespace metaloom
