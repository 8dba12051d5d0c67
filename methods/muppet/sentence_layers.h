// What heads over one state a row have in common: dropout, dense, tanh, dropout, out (RoBERTa's
// classification head, Liu et al. 2019).
#pragma once

#include <string>

#include "methods/muppet/head.h"

namespace metaloom {

class SentenceLayers {
 public:
  explicit SentenceLayers(const HeadIngredients& in) : in_(in) {}

  /// PREFIX.dense [D, D] and PREFIX.out [outputs, D], with biases.
  Params initial(const std::string& prefix, std::int64_t outputs) const;
  /// [R, outputs] of the states [R, D].
  at::Tensor logits_RN(const Encoded& encoded, const std::string& prefix) const;

 private:
  HeadIngredients in_;
};

}  // namespace metaloom
