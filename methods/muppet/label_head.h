// What heads have in common that choose among labels or candidates by a softmax over scores of one
// state a row: loss and measures of log-probabilities [Q, N].
#pragma once

#include <vector>

#include "methods/labels.h"
#include "methods/muppet/sentence_layers.h"

namespace metaloom {

class LabelHead : public Head {
 public:
  explicit LabelHead(const HeadIngredients& in) : frame_(in.frame), layers_(in) {}

  at::Tensor losses_Q(const at::Tensor& answers, const FramedTask& rows) const final {
    return label_losses_R(answers, rows.task.query);
  }
  std::vector<Measure> measures(const at::Tensor& answers, const FramedTask& rows) const final {
    return label_measures(answers, rows.task.query);
  }
  bool classifies() const final { return true; }

 protected:
  const Template& frame_;
  SentenceLayers layers_;
};

}  // namespace metaloom
