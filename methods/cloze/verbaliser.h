// From the states that answer a template to class scores: the logit of a class is the mean of the
// word logits of the pieces that stand for it. Only those vocabulary rows are ever computed.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "methods/cloze/class_pieces.h"
#include "models/backbone.h"
#include "sampler/task.h"

namespace metaloom {

class Verbaliser {
 public:
  /// For the classes of a pack of tasks (same N each).
  Verbaliser(const std::vector<Task>& pack, const ClassPieces& pieces);

  /// Class logits [R, N] of states_RD; rows of a task contiguous and equally many.
  at::Tensor logits(const Backbone& backbone, const Weights& weights,
                    const at::Tensor& states_RD) const;
  /// The vocabulary rows that are computed, ascending, int64.
  const at::Tensor& word_ids_C() const { return word_ids_C_; }

 private:
  at::Tensor word_ids_C_;   // union over the pack's classes
  at::Tensor average_TNC_;  // row n: 1/pieces at the pieces of class n
};

}  // namespace metaloom
