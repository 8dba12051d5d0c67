#include "models/backbones/bart_half.h"

#include <ATen/ATen.h>

#include <cmath>

#include "models/layers/positions.h"

namespace metaloom {
namespace {

// Positions are counted from here in the table (fairseq's padding).
constexpr std::int64_t kFirstPosition = 2;

EncoderLayerNames names_of(const std::string& layer, const std::string& attention) {
  return {.query = layer + attention + ".q_proj",
          .key = layer + attention + ".k_proj",
          .value = layer + attention + ".v_proj",
          .attended = layer + attention + ".out_proj",
          .attended_norm = layer + attention + "_layer_norm",
          .inner = layer + "fc1",
          .outer = layer + "fc2",
          .outer_norm = layer + "final_layer_norm"};
}

std::int64_t piece_of(const ModelConfig& config, const char* key, std::int64_t otherwise,
                      std::int64_t vocabulary) {
  const Json& value = config.at(key);
  const bool whole = value.is_number_integer();
  const std::int64_t id = whole ? value.get<std::int64_t>() : otherwise;
  if ((!whole && config.has(key)) || id < 0 || id >= vocabulary) {
    std::string told = config.has(key) ? value.dump() : std::to_string(id);
    ModelConfig::refuse(told.insert(0, std::string(key) + " is "),
                        "It must be the id of a piece, below vocab_size");
  }
  return id;
}

}  // namespace

BartConfig BartConfig::parse(const ModelConfig& config) {
  BartConfig out;
  out.geometry = {.width = config.positive("d_model"),
                  .layers = config.positive("encoder_layers"),
                  .heads = config.positive("encoder_attention_heads"),
                  .inner = config.positive("encoder_ffn_dim"),
                  .vocabulary = config.positive("vocab_size"),
                  .positions = config.positive("max_position_embeddings")};
  out.decoder_layers = config.positive("decoder_layers");
  out.decoder_heads = config.positive("decoder_attention_heads");
  out.decoder_inner = config.positive("decoder_ffn_dim");
  const std::int64_t width = out.geometry.width;
  config.require_divides("d_model", width, "encoder_attention_heads", out.geometry.heads);
  config.require_divides("d_model", width, "decoder_attention_heads", out.decoder_heads);
  if (config.flag("scale_embedding", false)) out.scale = std::sqrt(static_cast<double>(width));
  out.activation = config.activation("activation_function");
  out.first = piece_of(config, "decoder_start_token_id", 2, out.geometry.vocabulary);
  config.require("is_encoder_decoder", {true}, "Only BART with both its halves is supported");
  config.require("tie_word_embeddings", {true}, "Only one word table for all is supported");
  // Files of 2020 have keys by which mBART and others were BART, too.
  const char* const cure = "Only BART itself is supported";
  for (const char* key : {"normalize_before", "add_final_layer_norm", "static_position_embeddings"})
    config.require(key, {false}, cure);
  config.require("normalize_embedding", {true}, cure);
  return out;
}

BartHalf::BartHalf(const BartConfig& config, Side side) : config_(config), side_(side) {
  const bool encoder = side == Side::encoder;
  name_ = encoder ? "encoder." : "decoder.";
  first_layer_ = encoder ? 0 : static_cast<int>(config.geometry.layers);
  inner_ = encoder ? config.geometry.inner : config.decoder_inner;
  shape_ = {.heads = encoder ? config.geometry.heads : config.decoder_heads,
            .epsilon = 1e-5,
            .activation = config.activation};
  const std::int64_t layers = encoder ? config.geometry.layers : config.decoder_layers;
  for (std::int64_t n = 0; n < layers; ++n) {
    const std::string layer = name_ + "layers." + std::to_string(n) + ".";
    layers_.push_back({names_of(layer, "self_attn"), names_of(layer, "encoder_attn")});
  }
}

void BartHalf::declare(ParameterList& list) const {
  const std::int64_t width = config_.geometry.width;
  const auto attention = [&](const EncoderLayerNames& names) {
    for (const std::string& name : {names.query, names.key, names.value, names.attended}) {
      list.dense(name, width, width);
    }
    list.norm(names.attended_norm, width);
  };
  list.part(Part::embeddings);
  list.matrix(name_ + "embed_positions.weight", kFirstPosition + config_.geometry.positions, width);
  list.norm(name_ + "layernorm_embedding", width);
  for (std::size_t n = 0; n < layers_.size(); ++n) {
    const EncoderLayerNames& own = layers_[n].own;
    list.part(Part::layers, first_layer_ + static_cast<int>(n));
    attention(own);
    if (side_ == Side::decoder) attention(layers_[n].cross);
    list.dense(own.inner, width, inner_);
    list.dense(own.outer, inner_, width);
    list.norm(own.outer_norm, width);
  }
}

// Soft tokens are scaled like any word.
at::Tensor BartHalf::words(const LayerContext& context, const Batch& batch,
                           const at::Tensor& soft_TPD) const {
  const at::Tensor words_RLD =
      with_soft_tokens(context.weights.embedding(kWords, batch.ids_RL), batch, soft_TPD);
  return config_.scale == 1 ? words_RLD : words_RLD * config_.scale;
}

at::Tensor BartHalf::embed(const LayerContext& context, const Batch& batch,
                           const at::Tensor& soft_TPD) const {
  const std::int64_t length = batch.ids_RL.size(1);
  check_length(length, config_.geometry.positions);
  const at::Tensor x_RLD =
      with_positions(context.weights, name_ + "embed_positions", words(context, batch, soft_TPD),
                     batch.tasks, kFirstPosition);
  // The halves' embeddings are not dropped alike: -1 is the encoder's.
  return context.dropout.states(
      context.weights.layer_norm(name_ + "layernorm_embedding", x_RLD, shape_.epsilon),
      side_ == Side::encoder ? -1 : -2, DropoutSite::embeddings, length, {});
}

at::Tensor BartHalf::layer(const LayerContext& context, int n, const at::Tensor& x_RKD,
                           const Sight& sight, const Memory& memory,
                           const at::Tensor& keep_R) const {
  const DecoderLayerNames& names = layers_[static_cast<std::size_t>(n)];
  if (side_ == Side::encoder) {
    return encoder_layer(context, shape_, n, names.own, x_RKD, sight, keep_R);
  }
  return decoder_layer(context, shape_, first_layer_ + n, names, x_RKD, sight, memory, keep_R);
}

EncoderStack BartHalf::stack(const LayerContext& context, const Memory& memory) const {
  return {.layers = static_cast<int>(layers_.size()),
          .context = context,
          .layer =
              [memory, this](const LayerContext& context, int n, const at::Tensor& x_RKD,
                             const Sight& sight, const at::Tensor& keep_R) {
                Memory seen = memory;
                if (!context.beside.empty()) seen.states_RSD = context.beside.front();
                return layer(context, n, x_RKD, sight, seen, keep_R);
              },
          .reach = [this](int) { return Reach{.causal = side_ == Side::decoder}; }};
}

at::Tensor BartHalf::run(const LayerContext& context, const Batch& batch,
                         const ForwardOptions& options, const Memory& memory) const {
  const at::Tensor text_RLD =
      options.first_layer > 0 ? options.hidden_RLD : embed(context, batch, options.soft_TPD);
  return stack(context, memory).run(batch, options, text_RLD);
}

at::Tensor BartHalf::run_below(const LayerContext& context, const Batch& batch, int layer) const {
  return stack(context, {}).run_below(batch, embed(context, batch, {}), layer);
}

at::Tensor BartHalf::extend(const LayerContext& context, const Batch& more,
                            const at::Tensor& soft_TPD, const Memory& memory) const {
  at::Tensor x_RLD = words(context, more, soft_TPD) +
                     positions_after(context.weights, name_ + "embed_positions", *context.past,
                                     more, config_.geometry.positions, kFirstPosition);
  x_RLD = context.weights.layer_norm(name_ + "layernorm_embedding", x_RLD, shape_.epsilon);
  const Sight sight = sight_after(*context.past, more, x_RLD.scalar_type());
  for (int n = 0; n < static_cast<int>(layers_.size()); ++n) {
    x_RLD = layer(context, n, x_RLD, sight, memory, {});
  }
  context.past->note(more);
  return x_RLD;
}

}  // namespace metaloom
