// The labels of rows, and how often scores put a row's label first.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "sampler/task.h"

namespace metaloom {

/// int64 labels [rows] of examples, on `device`. Throws Error{data} naming the first unlabelled
/// row.
at::Tensor labels_of(const std::vector<Example>& rows, at::Device device);
/// The share of rows whose largest score is at their label.
double accuracy_of(const at::Tensor& scores_RN, const at::Tensor& label_R);

}  // namespace metaloom
