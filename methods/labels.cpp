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
  const at::Tensor right_R = scores.argmax(1).eq(label_R).to(at::kDouble);
  const at::Tensor cost_R1 = -scores.gather(1, label_R.unsqueeze(1)).to(at::kDouble);
  // Scores that are no numbers are no answers, right or wrong.
  const at::Tensor sum = scores.logsumexp(1).sum().to(at::kDouble);
  // One transfer of all, as this is done in every update.
  const at::Tensor found =
      at::cat({right_R, at::stack({right_R.mean(), cost_R1.mean(), sum})}).cpu();
  const double* right = found.const_data_ptr<double>();
  const double* means = right + right_R.numel();
  const auto count = static_cast<double>(rows.size());
  return {{.name = "accuracy",
           .averaging = kShare,
           .mean = std::isnan(means[2]) ? means[2] : means[0],
           .count = count,
           .each = {right, means}},
          {.name = kLoss, .averaging = kMean, .mean = means[1], .count = count}};
}

}  // namespace metaloom
