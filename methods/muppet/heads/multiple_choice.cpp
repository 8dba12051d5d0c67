// One head for all multiple-choice datasets: every candidate is a row of the model, with its
// context, and gets one score; a softmax over a question's candidates chooses.
// Legend: Q questions, R candidates of all of them, N candidates of the question that has most.
#include <ATen/ATen.h>

#include <limits>
#include <optional>

#include "core/registry.h"
#include "methods/muppet/label_head.h"

namespace metaloom {
namespace {

std::int64_t candidates_of(const Example& row) {
  return static_cast<std::int64_t>(row.segments.size()) - 1;
}

class MultipleChoiceHead final : public LabelHead {
 public:
  using LabelHead::LabelHead;

  std::string prefix(const DatasetInfo&) const override { return "head.choice"; }
  Params initial(const DatasetInfo& dataset) const override {
    return layers_.initial(prefix(dataset), 1);
  }
  Batch frame(const std::vector<const Example*>& rows) const override {
    return frame_.frame_choices(rows, 1);
  }
  at::Tensor answers(const Encoded& encoded) const override;
  std::vector<double> outcomes_Q(const FramedTask& rows) const override {
    std::vector<double> out;
    for (const Example& row : rows.task.query)
      out.push_back(static_cast<double>(candidates_of(row)));
    return out;
  }
};

/// Log-probabilities [Q, N]; questions with fewer candidates than N get -inf in the last columns.
at::Tensor MultipleChoiceHead::answers(const Encoded& encoded) const {
  const Task& task = encoded.rows.task;
  const at::Tensor logits_R1 = layers_.logits_RN(encoded, prefix(*task.dataset));
  std::vector<std::int64_t> row, column;
  std::int64_t most = 0;
  for (std::size_t q = 0; q < task.query.size(); ++q) {
    const std::int64_t candidates = candidates_of(task.query[q]);
    for (std::int64_t n = 0; n < candidates; ++n) {
      row.push_back(static_cast<std::int64_t>(q));
      column.push_back(n);
    }
    most = std::max(most, candidates);
  }
  const auto index = [&](const std::vector<std::int64_t>& values) {
    return std::optional<at::Tensor>(at::tensor(values, at::kLong).to(logits_R1.device()));
  };
  const at::Tensor nothing_QN =
      at::full({static_cast<std::int64_t>(task.query.size()), most},
               -std::numeric_limits<double>::infinity(), logits_R1.options());
  return nothing_QN.index_put({index(row), index(column)}, logits_R1.squeeze(1)).log_softmax(1);
}

const Register<Head> here{
    "multiple_choice", "one head for all datasets, which scores candidates",
    [](const HeadIngredients& in) { return std::make_unique<MultipleChoiceHead>(in); }};

}  // namespace
}  // namespace metaloom
