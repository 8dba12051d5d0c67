#include "methods/labels.h"

#include <ATen/ATen.h>

#include <fmt/format.h>

#include <cmath>
#include <cstdint>

#include "core/error.h"

namespace metaloom {

at::Tensor labels_of(const std::vector<Example>& rows, at::Device device) {
  std::vector<std::int64_t> labels;
  labels.reserve(rows.size());
  for (const Example& row : rows) {
    if (row.target.label < 0) {
      throw Error(Fault::data, "a row without a label where one is needed",
                  fmt::format("row {}", row.row), "Label the row or leave it out.");
    }
    labels.push_back(row.target.label);
  }
  return at::tensor(labels, at::kLong).to(device);
}

at::Tensor label_losses_R(const at::Tensor& scores_RN, const std::vector<Example>& rows) {
  const at::Tensor label_R = labels_of(rows, scores_RN.device());
  return -scores_RN.gather(1, label_R.unsqueeze(1)).squeeze(1);
}

double accuracy_of(const at::Tensor& scores_RN, const at::Tensor& label_R) {
  return scores_RN.detach().argmax(1).eq(label_R).to(at::kDouble).mean().item<double>();
}

std::vector<Measure> label_measures(const at::Tensor& scores_RN, const std::vector<Example>& rows) {
  const at::Tensor scores = scores_RN.detach();
  const at::Tensor label_R = labels_of(rows, scores.device());
  const at::Tensor right_R = scores.argmax(1).eq(label_R).cpu().to(at::kDouble).contiguous();
  const double* right = right_R.data_ptr<double>();
  // Scores that are no numbers are no answers, right or wrong.
  const double sum = scores.logsumexp(1).sum().item<double>();
  const at::Tensor cost_R1 = -scores.gather(1, label_R.unsqueeze(1)).to(at::kDouble);
  const auto count = static_cast<double>(rows.size());
  return {
      {.name = "accuracy",
       .averaging = kShare,
       .mean = std::isnan(sum) ? sum : right_R.mean().item<double>(),
       .count = count,
       .each = {right, right + right_R.numel()}},
      {.name = kLoss, .averaging = kMean, .mean = cost_R1.mean().item<double>(), .count = count}};
}

}  // namespace metaloom
