#include "models/backbones/bert_body.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace metaloom {
namespace {

EncoderLayerNames names_of_layer(std::int64_t n) {
  const std::string layer = "encoder.layer." + std::to_string(n) + ".";
  return {.query = layer + "attention.self.query",
          .key = layer + "attention.self.key",
          .value = layer + "attention.self.value",
          .attended = layer + "attention.output.dense",
          .attended_norm = layer + "attention.output.LayerNorm",
          .inner = layer + "intermediate.dense",
          .outer = layer + "output.dense",
          .outer_norm = layer + "output.LayerNorm"};
}

}  // namespace

BertBody::BertBody(EncoderConfig config, std::int64_t first_position)
    : config_(config), first_position_(first_position) {
  for (std::int64_t n = 0; n < config_.geometry.layers; ++n) layers_.push_back(names_of_layer(n));
}

void BertBody::declare(ParameterList& list) const {
  const auto& [width, layers, heads, inner, vocabulary, positions] = config_.geometry;
  list.part(Part::embeddings);
  list.matrix(kWords + ".weight", vocabulary, width);
  list.matrix("embeddings.position_embeddings.weight", first_position_ + positions, width);
  list.matrix("embeddings.token_type_embeddings.weight", config_.types, width);
  list.norm("embeddings.LayerNorm", width);
  list.part(Part::layers);
  for (const EncoderLayerNames& layer : layers_) {
    for (const std::string& name : {layer.query, layer.key, layer.value, layer.attended}) {
      list.dense(name, width, width);
    }
    list.norm(layer.attended_norm, width);
    list.dense(layer.inner, width, inner);
    list.dense(layer.outer, inner, width);
    list.norm(layer.outer_norm, width);
  }
  list.part(Part::pooler);
  list.dense("pooler.dense", width, width);
}

at::Tensor BertBody::embed(const LayerContext& context, const Batch& batch,
                           const at::Tensor& soft_TPD) const {
  const Weights& weights = context.weights;
  const std::int64_t rows = batch.rows(), length = batch.ids_RL.size(1);
  if (length > config_.geometry.positions) {
    throw Error(Fault::data,
                "rows of " + std::to_string(length) + " tokens for a model of " +
                    std::to_string(config_.geometry.positions) + " positions",
                "batch", "Set data.max_length to at most that");
  }
  // Soft tokens get position, type and LayerNorm like any word.
  at::Tensor x_RLD = with_soft_tokens(weights.embedding(kWords, batch.ids_RL), batch, soft_TPD);
  const at::Tensor types_RL =
      batch.segments_RL.defined() ? batch.segments_RL : at::zeros_like(batch.ids_RL);
  x_RLD = x_RLD + weights.embedding("embeddings.token_type_embeddings", types_RL);
  // One row of positions a task is enough: they are the same for all its rows.
  const at::Tensor position_TL =
      at::arange(first_position_, first_position_ + length, batch.ids_RL.options())
          .expand({batch.tasks, length});
  const at::Tensor positions_T1LD =
      weights.embedding("embeddings.position_embeddings", position_TL).unsqueeze(1);
  x_RLD = (x_RLD.unflatten(0, {batch.tasks, rows / batch.tasks}) + positions_T1LD).flatten(0, 1);
  x_RLD = weights.layer_norm("embeddings.LayerNorm", x_RLD, context.epsilon);
  return context.dropout.states(x_RLD, -1, DropoutSite::embeddings, length, {});
}

EncoderStack BertBody::stack(const LayerContext& context) const {
  return {.layers = static_cast<int>(config_.geometry.layers),
          .layer = [&context, this](int n, const at::Tensor& x_RKD, const at::Tensor& bias_R11K,
                                    const at::Tensor& keep_R) {
            return encoder_layer(context, n, layers_[static_cast<std::size_t>(n)], x_RKD, bias_R11K,
                                 keep_R);
          }};
}

at::Tensor BertBody::encode(const Weights& weights, const Batch& batch,
                            const ForwardOptions& options) const {
  check_pass(batch, options, static_cast<int>(config_.geometry.layers));
  const LayerContext shared = context(weights, options.attention, dropout_of(batch, options));
  const at::Tensor text_RLD =
      options.first_layer > 0 ? options.hidden_RLD : embed(shared, batch, options.soft_TPD);
  return stack(shared).run(batch, options, text_RLD);
}

at::Tensor BertBody::encode_below(const Weights& weights, const Batch& batch, int layer) const {
  check_prefix(batch, layer, static_cast<int>(config_.geometry.layers));
  const LayerContext shared = context(weights, Attention::fused, Dropout());
  return stack(shared).run_below(batch, embed(shared, batch, {}), layer);
}

at::Tensor BertBody::pooled(const Weights& weights, const at::Tensor& states_RD) {
  if (!weights.contains("pooler.dense.weight")) {
    throw Error(Fault::data, "the model has no pooler", "pooler.dense.weight",
                "Import a model that has one, or read the first position's state itself");
  }
  return weights.linear("pooler.dense", states_RD.dim() == 3 ? states_RD.select(1, 0) : states_RD)
      .tanh();
}

}  // namespace metaloom
