#include "models/backbones/bert_body.h"

#include <ATen/ATen.h>

#include <utility>

#include "models/layers/positions.h"

namespace metaloom {
namespace {

const std::string kPositions = "embeddings.position_embeddings";
const std::string kTypes = "embeddings.token_type_embeddings";
const std::string kProject = "embeddings_project";

EncoderLayerNames names_of_layer(const BodyKind& kind, std::int64_t n) {
  const std::string layer = kind.layers + std::to_string(n) + ".";
  EncoderLayerNames names = kind.layer;
  for (std::string* name : {&names.query, &names.key, &names.value, &names.attended,
                            &names.attended_norm, &names.inner, &names.outer, &names.outer_norm}) {
    *name = layer + *name;
  }
  return names;
}

}  // namespace

BertBody::BertBody(EncoderConfig config, BodyKind kind) : config_(config), kind_(std::move(kind)) {
  for (std::int64_t n = 0; n < config_.geometry.layers; ++n) {
    layers_.push_back(names_of_layer(kind_, n));
  }
}

void BertBody::declare(ParameterList& list) const {
  const auto& [width, layers, heads, inner, vocabulary, positions] = config_.geometry;
  list.part(Part::embeddings);
  list.matrix(kWords + ".weight", vocabulary, embedding());
  list.matrix(kPositions + ".weight", kind_.first_position + positions, embedding());
  if (config_.types > 0) list.matrix(kTypes + ".weight", config_.types, embedding());
  list.norm("embeddings.LayerNorm", embedding());
  if (embedding() != width) list.dense(kProject, embedding(), width);
  for (std::size_t n = 0; n < layers_.size(); ++n) {
    const EncoderLayerNames& layer = layers_[n];
    list.part(Part::layers, static_cast<int>(n));
    for (const std::string& name : {layer.query, layer.key, layer.value, layer.attended}) {
      list.dense(name, width, width);
    }
    list.norm(layer.attended_norm, width);
    list.dense(layer.inner, width, inner);
    list.dense(layer.outer, inner, width);
    list.norm(layer.outer_norm, width);
  }
}

at::Tensor BertBody::embed(const LayerContext& context, const Batch& batch,
                           const at::Tensor& soft_TPD) const {
  const Weights& weights = context.weights;
  const std::int64_t length = batch.ids_RL.size(1);
  check_length(length, config_.geometry.positions);
  // Soft tokens get position, type and LayerNorm like any word.
  at::Tensor x_RLD = with_soft_tokens(weights.embedding(kWords, batch.ids_RL), batch, soft_TPD);
  if (config_.types > 0) {
    const at::Tensor types_RL = batch.segments_RL.defined() && config_.types > 1
                                    ? batch.segments_RL
                                    : at::zeros_like(batch.ids_RL);
    x_RLD = x_RLD + weights.embedding(kTypes, types_RL);
  }
  x_RLD = with_positions(weights, kPositions, x_RLD, batch.tasks, kind_.first_position);
  x_RLD = weights.layer_norm("embeddings.LayerNorm", x_RLD, config_.layer.epsilon);
  x_RLD = context.dropout.states(x_RLD, -1, DropoutSite::embeddings, length, {});
  return embedding() == config_.geometry.width ? x_RLD : weights.linear(kProject, x_RLD);
}

EncoderStack BertBody::stack(const LayerContext& context) const {
  return {.layers = static_cast<int>(config_.geometry.layers),
          .context = context,
          .layer = [this](const LayerContext& context, int n, const at::Tensor& x_RKD,
                          const Sight& sight, const at::Tensor& keep_R) {
            return encoder_layer(context, config_.layer, n, layers_[static_cast<std::size_t>(n)],
                                 x_RKD, sight, keep_R);
          }};
}

at::Tensor BertBody::encode(const Weights& weights, const Batch& batch,
                            const ForwardOptions& options) const {
  check_pass(batch, options, static_cast<int>(config_.geometry.layers));
  const LayerContext shared{weights, options.attention, dropout_of(batch, options)};
  const at::Tensor text_RLD =
      options.first_layer > 0 ? options.hidden_RLD : embed(shared, batch, options.soft_TPD);
  return stack(shared).run(batch, options, text_RLD);
}

at::Tensor BertBody::encode_below(const Weights& weights, const Batch& batch, int layer) const {
  check_prefix(batch, layer, static_cast<int>(config_.geometry.layers));
  const LayerContext shared{weights, Attention::fused, Dropout()};
  return stack(shared).run_below(batch, embed(shared, batch, {}), layer);
}

}  // namespace metaloom
