// A head of its own for every classification dataset, over that dataset's labels.
#include <ATen/ATen.h>

#include "core/registry.h"
#include "methods/muppet/label_head.h"

namespace metaloom {
namespace {

class ClassificationHead final : public LabelHead {
 public:
  using LabelHead::LabelHead;

  std::string prefix(const DatasetInfo& dataset) const override { return "head." + dataset.name; }
  Params initial(const DatasetInfo& dataset) const override {
    return layers_.initial(prefix(dataset), static_cast<std::int64_t>(dataset.labels.size()));
  }
  Batch frame(const std::vector<const Example*>& rows) const override {
    return frame_.frame(rows, 1);
  }
  /// Log-probabilities [Q, N].
  at::Tensor answers(const Encoded& encoded) const override {
    return layers_.logits_RN(encoded, prefix(*encoded.rows.task.dataset)).log_softmax(1);
  }
  std::vector<double> outcomes_Q(const FramedTask& rows) const override {
    return std::vector<double>(rows.task.query.size(),
                               static_cast<double>(rows.task.dataset->labels.size()));
  }
};

const Register<Head> here{
    "classification", "a head for every dataset, over its labels",
    [](const HeadIngredients& in) { return std::make_unique<ClassificationHead>(in); }};

}  // namespace
}  // namespace metaloom
