#include "methods/labels.h"

#include <ATen/ATen.h>

#include <fmt/format.h>

#include <cstdint>

#include "core/error.h"

namespace metaloom {

at::Tensor labels_of(const std::vector<Example>& rows, at::Device device) {
  std::vector<std::int64_t> labels;
  labels.reserve(rows.size());
  for (const Example& row : rows) {
    if (row.label < 0) {
      throw Error(Fault::data, "a row without a label where one is needed",
                  fmt::format("row {}", row.row), "Label the row or leave it out.");
    }
    labels.push_back(row.label);
  }
  return at::tensor(labels, at::kLong).to(device);
}

double accuracy_of(const at::Tensor& scores_RN, const at::Tensor& label_R) {
  return scores_RN.detach().argmax(1).eq(label_R).to(at::kDouble).mean().item<double>();
}

}  // namespace metaloom
