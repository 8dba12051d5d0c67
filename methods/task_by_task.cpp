#include "methods/task_by_task.h"

#include <ATen/ATen.h>

namespace metaloom {
namespace {

/// Whether the loss and all of its gradient were finite, and delivered.
bool deliver(const at::Tensor& loss, const Params& leaves, GradientSink& sink) {
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
  for (const Task& task : pack) {
    const Params leaves = leaves_of(task);
    TaskLoss loss = loss_of(task, leaves);
    TaskOutcome outcome;
    outcome.task = task.id;
    outcome.loss = loss.total.item<double>();
    outcome.tokens = loss.tokens;
    outcome.metrics = std::move(loss.metrics);
    outcome.finite = deliver(loss.total, leaves, sink);
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

}  // namespace metaloom
