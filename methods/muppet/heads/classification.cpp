// A head of its own for every classification dataset, over that dataset's labels.
#include <ATen/ATen.h>

#include "core/registry.h"
#include "methods/labels.h"
#include "methods/muppet/sentence_layers.h"

namespace metaloom {
namespace {

class ClassificationHead final : public Head {
 public:
  explicit ClassificationHead(const HeadIngredients& in) : frame_(in.frame), layers_(in) {}

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
  at::Tensor losses_Q(const at::Tensor& answers, const FramedTask& rows) const override {
    return label_losses_R(answers, rows.task.query);
  }
  std::vector<double> outcomes_Q(const FramedTask& rows) const override {
    return std::vector<double>(rows.task.query.size(),
                               static_cast<double>(rows.task.dataset->labels.size()));
  }
  std::vector<Measure> measures(const at::Tensor& answers, const FramedTask& rows) const override {
    return label_measures(answers, rows.task.query);
  }
  bool classifies() const override { return true; }

 private:
  const Template& frame_;
  SentenceLayers layers_;
};

const Register<Head> here{
    "classification", "a head for every dataset, over its labels",
    [](const HeadIngredients& in) { return std::make_unique<ClassificationHead>(in); }};

}  // namespace
}  // namespace metaloom
