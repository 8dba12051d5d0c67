// The head of a masked language model: dense, activation, LayerNorm, and the word table as the last
// matrix (Devlin et al. 2019, as in BERT, RoBERTa, DistilBERT and ELECTRA's generator).
// Legend: N states, D width, C vocabulary ids.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

#include "models/layers/encoder_layer.h"
#include "models/layers/parameter_list.h"
#include "models/weights/weights.h"

namespace metaloom {

/// The names of its parameters, as its model calls them.
struct MlmHead {
  std::string dense, norm, bias;
  std::optional<Activation> activation = {};  // where it is not the layers'

  /// `width`: of the states; `words`: of the word table's rows.
  void declare(ParameterList& list, std::int64_t width, std::int64_t words,
               std::int64_t vocabulary) const;
  /// Logits [N, C] for ids [C], all if undefined. `table`: the word table's name without `.weight`.
  /// Throws Error{data} where the model has no head.
  at::Tensor logits(const Weights& weights, const EncoderLayerShape& shape,
                    const std::string& table, const at::Tensor& states_ND,
                    const at::Tensor& ids) const;
};

}  // namespace metaloom
