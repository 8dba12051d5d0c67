// Targets that are labels: those of rows, what scores cost that should have put them first, and how
// often they did.
// Legend: R rows, N classes or candidates.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "methods/measure.h"
#include "sampler/task.h"

namespace metaloom {

/// int64 labels [rows] of examples, on `device`. Throws Error{data} naming the first unlabelled
/// row.
at::Tensor labels_of(const std::vector<Example>& rows, at::Device device);
/// The cross-entropy of each row, in nats [R], with its graph.
at::Tensor label_losses_R(const at::Tensor& scores_RN, const std::vector<Example>& rows);
/// The share of rows whose largest score is at their label.
double accuracy_of(const at::Tensor& scores_RN, const at::Tensor& label_R);
/// "accuracy" with every row's, and kLoss.
std::vector<Measure> label_measures(const at::Tensor& scores_RN, const std::vector<Example>& rows);

}  // namespace metaloom
