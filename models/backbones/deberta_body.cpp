#include "models/backbones/deberta_body.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "models/layers/encoder_cost.h"

namespace metaloom {
namespace {

const std::string kPositions = "embeddings.position_embeddings";
const std::string kTypes = "embeddings.token_type_embeddings";
const std::string kProject = "embeddings.embed_proj";
const std::string kDistances = "encoder.rel_embeddings";
const std::string kDistancesNorm = "encoder.LayerNorm";
const std::string kConvolution = "encoder.conv.conv";
const std::string kConvolutionNorm = "encoder.conv.LayerNorm";

std::string attention_of_layer(int n) {
  return "encoder.layer." + std::to_string(n) + ".attention.self.";
}
std::string near_query(int n) {
  return attention_of_layer(n) + "pos_query_proj";
}
std::string near_key(int n) {
  return attention_of_layer(n) + "pos_key_proj";
}

EncoderLayerNames names_of_layer(int n) {
  const std::string layer = "encoder.layer." + std::to_string(n) + ".";
  return {.query = attention_of_layer(n) + "query_proj",
          .key = attention_of_layer(n) + "key_proj",
          .value = attention_of_layer(n) + "value_proj",
          .attended = layer + "attention.output.dense",
          .attended_norm = layer + "attention.output.LayerNorm",
          .inner = layer + "intermediate.dense",
          .outer = layer + "output.dense",
          .outer_norm = layer + "output.LayerNorm"};
}

}  // namespace

DebertaBody::DebertaBody(DebertaConfig config) : config_(config) {
  for (int n = 0; n < config_.encoder.geometry.layers; ++n) layers_.push_back(names_of_layer(n));
}

void DebertaBody::declare(ParameterList& list) const {
  const auto& [width, layers, heads, inner, vocabulary, positions] = config_.encoder.geometry;
  const Disentangled& distances = config_.distances;
  list.part(Part::embeddings);
  list.matrix(kWords + ".weight", vocabulary, config_.embedding);
  if (config_.absolute) list.matrix(kPositions + ".weight", positions, config_.embedding);
  if (config_.encoder.types > 0) {
    list.matrix(kTypes + ".weight", config_.encoder.types, config_.embedding);
  }
  if (config_.embedding != width) list.dense(kProject, config_.embedding, width, /*bias=*/false);
  list.norm("embeddings.LayerNorm", width);
  list.part(Part::layers);
  if (distances.any()) {
    list.matrix(kDistances + ".weight", 2 * distances.span(), width);
    if (config_.normal_distances) list.norm(kDistancesNorm, width);
  }
  for (std::size_t n = 0; n < layers_.size(); ++n) {
    const EncoderLayerNames& layer = layers_[n];
    list.part(Part::layers, static_cast<int>(n));
    for (const std::string& name : {layer.query, layer.key, layer.value, layer.attended}) {
      list.dense(name, width, width);
    }
    if (config_.own_projections) {
      if (distances.content_to_position) list.dense(near_key(static_cast<int>(n)), width, width);
      if (distances.position_to_content) list.dense(near_query(static_cast<int>(n)), width, width);
    }
    list.norm(layer.attended_norm, width);
    list.dense(layer.inner, width, inner);
    list.dense(layer.outer, inner, width);
    list.norm(layer.outer_norm, width);
  }
  if (config_.convolution.kernel == 0) return;
  list.part(Part::layers, 0);
  list.weight(kConvolution + ".weight",
              {width, width / config_.convolution.groups, config_.convolution.kernel});
  list.vector(kConvolution + ".bias", width, Start::zeros);
  list.norm(kConvolutionNorm, width);
}

DebertaBody::Shared DebertaBody::shared_by(const Weights& weights, const Batch& batch,
                                           Attention attention, Dropout dropout) const {
  Shared shared{{weights, attention, std::move(dropout)}, {}};
  if (!config_.distances.any()) return shared;
  // Every task reads its own table.
  const std::int64_t rows = 2 * config_.distances.span();
  at::Tensor table_TMD = weights.embedding(
      kDistances, at::arange(rows, batch.ids_RL.options()).expand({batch.tasks, rows}));
  if (config_.normal_distances) {
    table_TMD = weights.layer_norm(kDistancesNorm, table_TMD, config_.encoder.layer.epsilon);
  }
  shared.context.beside = {table_TMD};
  shared.distances = Distances(config_.distances, batch.ids_RL.size(1), table_TMD.device());
  return shared;
}

at::Tensor DebertaBody::embed(const Shared& shared, const Batch& batch,
                              const at::Tensor& soft_TPD) const {
  const Weights& weights = shared.context.weights;
  const std::int64_t rows = batch.rows(), length = batch.ids_RL.size(1);
  if (length > config_.encoder.geometry.positions) {
    throw Error(Fault::data,
                "rows of " + std::to_string(length) + " tokens for a model of " +
                    std::to_string(config_.encoder.geometry.positions) + " positions",
                "batch", "Set data.max_length to at most that");
  }
  at::Tensor x_RLD = with_soft_tokens(weights.embedding(kWords, batch.ids_RL), batch, soft_TPD);
  if (config_.absolute) {
    // One row of positions a task is enough: they are the same for all its rows.
    const at::Tensor position_TL =
        at::arange(length, batch.ids_RL.options()).expand({batch.tasks, length});
    const at::Tensor positions_T1LD = weights.embedding(kPositions, position_TL).unsqueeze(1);
    x_RLD = (x_RLD.unflatten(0, {batch.tasks, rows / batch.tasks}) + positions_T1LD).flatten(0, 1);
  }
  if (config_.encoder.types > 0) {
    const at::Tensor types_RL = batch.segments_RL.defined() && config_.encoder.types > 1
                                    ? batch.segments_RL
                                    : at::zeros_like(batch.ids_RL);
    x_RLD = x_RLD + weights.embedding(kTypes, types_RL);
  }
  if (config_.embedding != config_.encoder.geometry.width) x_RLD = weights.linear(kProject, x_RLD);
  x_RLD = weights.layer_norm("embeddings.LayerNorm", x_RLD, config_.encoder.layer.epsilon);
  x_RLD = shared.context.dropout.states(x_RLD, -1, DropoutSite::embeddings, length, {});
  if (config_.convolution.kernel == 0) return x_RLD;
  // The convolution of a text's last positions reaches into what follows: nothing.
  const at::Tensor place_L = at::arange(length, batch.length_R.options());
  const at::Tensor token_RL1 =
      (place_L.unsqueeze(0) < batch.length_R.unsqueeze(1)).unsqueeze(-1).to(x_RLD.scalar_type());
  return x_RLD * token_RL1;
}

// The distances of the text as the queries or the keys of a layer, [T, N, D].
at::Tensor DebertaBody::near(const Shared& shared, int layer, const std::string& own,
                             const std::string& content) const {
  // Dropped as a whole, so that what is dropped does not depend on the text's length.
  const at::Tensor& all_TMD = shared.context.beside.front();
  const at::Tensor table_TMD =
      shared.context.dropout.states(all_TMD, layer, DropoutSite::relative, all_TMD.size(1), {});
  return shared.context.weights
      .linear(config_.own_projections ? own : content,
              table_TMD.narrow(1, shared.distances.first, shared.distances.count))
      .index_select(1, shared.distances.row_N);
}

at::Tensor DebertaBody::attended(const Shared& shared, int layer, const at::Tensor& x_RKD,
                                 const Sight& sight, const at::Tensor& keep_R) const {
  const Weights& weights = shared.context.weights;
  const EncoderLayerNames& names = layers_[static_cast<std::size_t>(layer)];
  const std::int64_t heads = config_.encoder.geometry.heads;
  DisentangledStates states{
      .query_RQD = weights.linear(names.query, keep_R.defined() ? kept(x_RKD, keep_R) : x_RKD),
      .key_RKD = weights.linear(names.key, x_RKD)};
  if (config_.distances.content_to_position) {
    states.near_key_TND = near(shared, layer, near_key(layer), names.key);
  }
  if (config_.distances.position_to_content) {
    states.near_query_TND = near(shared, layer, near_query(layer), names.query);
  }
  const at::Tensor scores_RHQK =
      disentangled_scores(config_.distances, states, heads, sight.prompts, keep_R);
  return attend_by(shared.context, layer, scores_RHQK,
                   by_head(weights.linear(names.value, x_RKD), heads), sight, keep_R);
}

// Prompt rows are no neighbours of the text: nothing is added to them, and the text's convolution
// does not see them.
at::Tensor DebertaBody::convolved(const Shared& shared, const at::Tensor& x_RKD,
                                  const at::Tensor& out_RQD, std::int64_t prompts,
                                  const at::Tensor& keep_R) const {
  const Weights& weights = shared.context.weights;
  const std::int64_t length = x_RKD.size(1) - prompts;
  at::Tensor seen_RQD = weights.convolution(kConvolution, x_RKD.narrow(1, prompts, length));
  const at::Tensor keep_text_R = keep_R.defined() ? keep_R - prompts : keep_R;
  if (keep_R.defined()) seen_RQD = kept(seen_RQD, keep_text_R);
  seen_RQD = activate(
      config_.convolution.activation,
      shared.context.dropout.states(seen_RQD, 0, DropoutSite::convolution, length, keep_text_R));
  if (prompts > 0 && !keep_R.defined())
    seen_RQD = at::constant_pad_nd(seen_RQD, {0, 0, prompts, 0});
  return weights.layer_norm(kConvolutionNorm, out_RQD + seen_RQD, config_.encoder.layer.epsilon);
}

EncoderStack DebertaBody::stack(const Shared& shared) const {
  return {.layers = static_cast<int>(config_.encoder.geometry.layers),
          .context = shared.context,
          .layer = [distances = shared.distances, this](const LayerContext& context, int n,
                                                        const at::Tensor& x_RKD, const Sight& sight,
                                                        const at::Tensor& keep_R) {
            const Shared shared{context, distances};
            const at::Tensor out_RQD = encoder_layer_by(
                shared.context, config_.encoder.layer, n, layers_[static_cast<std::size_t>(n)],
                x_RKD, attended(shared, n, x_RKD, sight, keep_R), keep_R);
            if (n > 0 || config_.convolution.kernel == 0) return out_RQD;
            return convolved(shared, x_RKD, out_RQD, sight.prompts, keep_R);
          }};
}

at::Tensor DebertaBody::encode(const Weights& weights, const Batch& batch,
                               const ForwardOptions& options) const {
  check_pass(batch, options, static_cast<int>(config_.encoder.geometry.layers));
  const Shared shared = shared_by(weights, batch, options.attention, dropout_of(batch, options));
  const at::Tensor text_RLD =
      options.first_layer > 0 ? options.hidden_RLD : embed(shared, batch, options.soft_TPD);
  return stack(shared).run(batch, options, text_RLD);
}

at::Tensor DebertaBody::encode_below(const Weights& weights, const Batch& batch, int layer) const {
  check_prefix(batch, layer, static_cast<int>(config_.encoder.geometry.layers));
  const Shared shared = shared_by(weights, batch, Attention::fused, Dropout());
  return stack(shared).run_below(batch, embed(shared, batch, {}), layer);
}

Cost DebertaBody::cost(const Pass& pass, at::ScalarType dtype) const {
  const Backbone::Geometry& geometry = config_.encoder.geometry;
  Cost cost = encoder_cost(geometry, pass, dtype);
  const double d = static_cast<double>(geometry.width);
  const double tokens = static_cast<double>(pass.rows * pass.length);
  const double run = static_cast<double>(geometry.layers - pass.first_layer);
  const double terms = (config_.distances.content_to_position ? 1.0 : 0.0) +
                       (config_.distances.position_to_content ? 1.0 : 0.0);
  // Distances that a text has, projected once in a pass (a pack: once a task, which are few of its
  // rows) and multiplied with every token.
  const double near = static_cast<double>(std::min(2 * pass.length, 2 * config_.distances.span()));
  cost.flops += terms * run * (2 * near * d * d + 2 * tokens * near * d);
  // Kept for backward besides: the probabilities of attention, and the projected distances.
  const double inside =
      tokens * static_cast<double>(geometry.heads * pass.length) + terms * near * d;
  double kept = kept_by_layers(pass, run, inside, 0);
  if (config_.convolution.kernel > 0 && pass.first_layer == 0) {
    cost.flops += 2 * tokens * d * d * static_cast<double>(config_.convolution.kernel) /
                  static_cast<double>(config_.convolution.groups);
    kept += 3 * d * tokens;  // its output, activated, and the sum
  }
  cost.peak_bytes += static_cast<double>(c10::elementSize(dtype)) * kept;
  return cost;
}

}  // namespace metaloom
