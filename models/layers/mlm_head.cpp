#include "models/layers/mlm_head.h"

#include "core/error.h"

namespace metaloom {

void MlmHead::declare(ParameterList& list, std::int64_t width, std::int64_t words,
                      std::int64_t vocabulary) const {
  list.part(Part::head);
  list.dense(dense, width, words);
  list.norm(norm, words);
  list.vector(bias, vocabulary, Start::zeros);
}

at::Tensor MlmHead::logits(const Weights& weights, const EncoderLayerShape& shape,
                           const std::string& table, const at::Tensor& states_ND,
                           const at::Tensor& ids) const {
  if (!weights.contains(dense + ".weight")) {
    throw Error(Fault::data, "the model has no MLM head", dense + ".weight",
                "Use one that has (minilm-mlm), or train one with method = \"mlm\"");
  }
  const Activation curve = activation.value_or(shape.activation);
  const at::Tensor transformed_ND =
      weights.layer_norm(norm, activate(curve, weights.linear(dense, states_ND)), shape.epsilon);
  return weights.tied_decoder(table, bias, transformed_ND, ids);
}

}  // namespace metaloom
