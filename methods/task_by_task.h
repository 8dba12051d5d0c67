// The gradients of a method that computes a pack's tasks one after the other, each with a graph of
// its own: a task whose loss or gradient is not finite leaves no trace in the sum.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "methods/method.h"

namespace metaloom {

/// What a method computes of one task: the loss to be differentiated, a scalar with its graph, and
/// what the task's outcome tells of it.
struct TaskLoss {
  at::Tensor total;
  std::int64_t tokens = 0;
  std::vector<Metric> metrics{};
};

/// Per task: `leaves_of` picks and detaches what the task trains, `loss_of` computes with them, and
/// the gradient of the loss goes to `sink` under the leaves' names, which are complete when the
/// last task is done, be it finite or not.
std::vector<TaskOutcome> gradients_task_by_task(
    const std::vector<Task>& pack, GradientSink& sink,
    const std::function<Params(const Task& task)>& leaves_of,
    const std::function<TaskLoss(const Task& task, const Params& leaves)>& loss_of);

}  // namespace metaloom
