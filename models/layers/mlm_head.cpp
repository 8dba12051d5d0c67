#include "models/layers/mlm_head.h"

#include "core/error.h"

namespace metaloom {

void MlmHead::declare(ParameterList& list, std::int64_t width, std::int64_t words,
                      std::int64_t vocabulary) const {
  list.part(Part::head);
  list.dense(dense, width, words, dense_bias);
  list.norm(norm, words, norm_bias);
  if (!bias.empty()) list.vector(bias, vocabulary, Start::zeros);
  if (!table.empty()) list.matrix(table + ".weight", vocabulary, words);
}

std::vector<std::string> MlmHead::word_rows() const {
  std::vector<std::string> rows;
  if (!bias.empty()) rows.push_back(bias);
  if (!table.empty()) rows.push_back(table + ".weight");
  return rows;
}

at::Tensor MlmHead::logits(const Weights& weights, const EncoderLayerShape& shape,
                           const std::string& words, const at::Tensor& states_ND,
                           const at::Tensor& ids) const {
  if (!weights.contains(dense + ".weight")) {
    throw Error(Fault::data, "the model has no MLM head", dense + ".weight",
                "Use one that has (minilm-mlm), or train one with method = \"mlm\"");
  }
  const Activation curve = activation.value_or(shape.activation);
  const at::Tensor transformed_ND =
      weights.layer_norm(norm, activate(curve, weights.linear(dense, states_ND)), shape.epsilon);
  return weights.tied_decoder(table.empty() ? words : table, bias, transformed_ND, ids);
}

}  // namespace metaloom
