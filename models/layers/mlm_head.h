// The head of a masked language model: dense, activation, LayerNorm, and the word table or a table
// of its own as the last matrix (Devlin et al. 2019, as in BERT, RoBERTa, DistilBERT and ELECTRA's
// generator).
// Legend: N states, D width, C vocabulary ids.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "models/layers/encoder_layer.h"
#include "models/layers/parameter_list.h"
#include "models/weights/weights.h"

namespace metaloom {

/// The names of its parameters, as its model calls them.
struct MlmHead {
  std::string dense, norm, bias;              // no `bias`: the last matrix alone
  std::optional<Activation> activation = {};  // where it is not the layers'
  bool dense_bias = true, norm_bias = true;
  std::string table = {};  // its own last matrix, without `.weight`; none: the word table

  /// `width`: of the states; `words`: of the word table's rows.
  void declare(ParameterList& list, std::int64_t width, std::int64_t words,
               std::int64_t vocabulary) const;
  /// Those with one row per word.
  std::vector<std::string> word_rows() const;
  /// Logits [N, C] for ids [C], all if undefined. `words`: the word table's name without `.weight`.
  /// Throws Error{data} where the model has no head.
  at::Tensor logits(const Weights& weights, const EncoderLayerShape& shape,
                    const std::string& words, const at::Tensor& states_ND,
                    const at::Tensor& ids) const;
};

}  // namespace metaloom
