#include "models/backbones/llama_like.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "models/layers/gated_cost.h"
#include "models/layers/layer_types.h"
#include "models/layers/parameter_list.h"
#include "models/layers/positions.h"
#include "models/layers/sights.h"

namespace metaloom {
namespace {

const std::string kWords = "embed_tokens";
const std::string kHead = "lm_head";
const std::string kFinalNorm = "norm";

std::string name_of_layer(int n) {
  return "layers." + std::to_string(n) + ".";
}

}  // namespace

LlamaKind LlamaKind::parse(const ModelConfig& config, const Otherwise& otherwise) {
  LlamaKind kind;
  kind.geometry = {.width = config.positive("hidden_size"),
                   .layers = config.positive("num_hidden_layers"),
                   .heads = config.positive("num_attention_heads"),
                   .inner = config.positive("intermediate_size"),
                   .vocabulary = config.positive("vocab_size"),
                   .positions = config.positive("max_position_embeddings")};
  const std::int64_t width = kind.geometry.width, heads = kind.geometry.heads;
  // Where it is null, or a Llama does not say it, there are as many as of the queries.
  const bool told = config.says("num_key_value_heads") || otherwise.key_heads == 0;
  kind.key_heads = config.positive("num_key_value_heads", told ? heads : otherwise.key_heads);
  config.require_divides("num_attention_heads", heads, "num_key_value_heads", kind.key_heads);
  std::int64_t depth = otherwise.depth;
  if (depth == 0 && !config.has("head_dim")) {
    config.require_divides("hidden_size", width, "num_attention_heads", heads);
    depth = width / heads;
  }
  kind.depth = config.positive("head_dim", depth);
  kind.epsilon = config.above_zero("rms_norm_eps", kind.epsilon);
  kind.activation = config.activation("hidden_act", "silu");
  kind.tied = config.flag("tie_word_embeddings", false);
  kind.begins = !config.says("bos_token_id") || config.has("bos_token_id");
  kind.rotary = Rotary::parse(config, kind.depth);
  return kind;
}

void LlamaKind::see_windows_of(const ModelConfig& config) {
  const bool used = config.flag("use_sliding_window", false) &&
                    (!config.says("sliding_window") || config.has("sliding_window"));
  const std::int64_t window = used ? config.positive("sliding_window", 4096) : 0;
  const std::int64_t first = config.not_negative("max_window_layers", 28);
  const std::vector<bool> local = local_layers(
      config, geometry.layers, [&](std::int64_t n) { return window > 0 && n >= first; });
  for (const bool narrow : local) {
    if (narrow && window == 0) {
      ModelConfig::refuse("layer_types names a sliding_attention, and there is no window",
                          "Set use_sliding_window and sliding_window");
    }
    windows.push_back(narrow ? window : 0);
  }
}

std::vector<Parameter> LlamaLike::parameters() const {
  const auto& [width, layers, heads, inner, vocabulary, positions] = kind_.geometry;
  const std::int64_t queries = heads * kind_.depth, keys = kind_.key_heads * kind_.depth;
  ParameterList list;
  list.part(Part::embeddings);
  list.matrix(kWords + ".weight", vocabulary, width);
  list.part(Part::layers);
  list.norm(kFinalNorm, width, /*bias=*/false);
  for (int n = 0; n < layers; ++n) {
    const std::string layer = name_of_layer(n), attention = layer + "self_attn.";
    list.part(Part::layers, n);
    list.norm(layer + "input_layernorm", width, /*bias=*/false);
    list.dense(attention + "q_proj", width, queries, kind_.qkv_bias);
    list.dense(attention + "k_proj", width, keys, kind_.qkv_bias);
    list.dense(attention + "v_proj", width, keys, kind_.qkv_bias);
    list.dense(attention + "o_proj", queries, width, kind_.attended_bias);
    if (kind_.head_norms) {
      list.norm(attention + "q_norm", kind_.depth, /*bias=*/false);
      list.norm(attention + "k_norm", kind_.depth, /*bias=*/false);
    }
    list.norm(layer + "post_attention_layernorm", width, /*bias=*/false);
    list.dense(layer + "mlp.gate_proj", width, inner, kind_.mlp_bias);
    list.dense(layer + "mlp.up_proj", width, inner, kind_.mlp_bias);
    list.dense(layer + "mlp.down_proj", inner, width, kind_.mlp_bias);
  }
  list.part(Part::head);
  if (!kind_.tied) list.matrix(kHead + ".weight", vocabulary, width);
  return list.by_name();
}

// What a row says is all seen by its last piece alone; there the next one is foretold, too.
Framing LlamaLike::framing() const {
  Framing framing{.row = ReadAt::last, .answer = ReadAt::last};
  if (kind_.begins) framing.before = {Special::begin};
  return framing;
}

HubLayout LlamaLike::hub_layout() const {
  HubLayout layout{.prefix = "model."};
  if (kind_.tied) layout.tied = {{kHead + ".weight", word_table()}};
  layout.ignored = {"rotary_emb.inv_freq"};
  for (int n = 0; n < kind_.geometry.layers; ++n) {  // files of before 2024 hold it
    layout.ignored.push_back(name_of_layer(n) + "self_attn.rotary_emb.inv_freq");
  }
  return layout;
}

at::Tensor LlamaLike::embed(const LayerContext& context, const Batch& batch,
                            const at::Tensor& soft_TPD) const {
  check_length(batch.ids_RL.size(1), kind_.geometry.positions);
  const at::Tensor words_RLD = context.weights.embedding(kWords, batch.ids_RL);
  return context.dropout.states(with_soft_tokens(words_RLD, batch, soft_TPD), -1,
                                DropoutSite::embeddings, batch.ids_RL.size(1), {});
}

// Dropout where other models of this form have it: Hugging Face's Llamas, trained without, have
// the probabilities' alone.
at::Tensor LlamaLike::layer(const LayerContext& context, const Turns& turns, int n,
                            const at::Tensor& x_RKD, const Sight& sight,
                            const at::Tensor& keep_R) const {
  const Weights& weights = context.weights;
  const std::string layer = name_of_layer(n), attention = layer + "self_attn.";
  const auto computed = [&keep_R](const at::Tensor& x) {
    return keep_R.defined() ? kept(x, keep_R) : x;
  };
  const auto dropped = [&](const at::Tensor& x, DropoutSite site) {
    return context.dropout.states(x, n, site, x_RKD.size(1), keep_R);
  };
  const auto turned = [&](const char* map, const char* norm, const at::Tensor& x,
                          std::int64_t heads, const at::Tensor& at_R) {
    at::Tensor y = by_head(weights.linear(attention + map, x), heads);
    if (kind_.head_norms) y = weights.rms_norm(attention + norm, y, kind_.epsilon);
    return turns.turned(y, sight.prompts, at_R);
  };
  const at::Tensor normed_RKD = weights.rms_norm(layer + "input_layernorm", x_RKD, kind_.epsilon);
  Past::Heads seen{turned("k_proj", "k_norm", normed_RKD, kind_.key_heads, {}),
                   by_head(weights.linear(attention + "v_proj", normed_RKD), kind_.key_heads)};
  if (context.past != nullptr) seen = context.past->joined(n, seen);
  const at::Tensor attended_RQD = attend(
      context, n, turned("q_proj", "q_norm", computed(normed_RKD), kind_.geometry.heads, keep_R),
      seen.k_RHKE, seen.v_RHKE, sight, keep_R);
  const at::Tensor mixed_RQD =
      computed(x_RKD) +
      dropped(weights.linear(attention + "o_proj", attended_RQD), DropoutSite::attention);
  const at::Tensor y_RQD =
      weights.rms_norm(layer + "post_attention_layernorm", mixed_RQD, kind_.epsilon);
  const at::Tensor inner_RQI =
      activate(kind_.activation, weights.linear(layer + "mlp.gate_proj", y_RQD)) *
      weights.linear(layer + "mlp.up_proj", y_RQD);
  return mixed_RQD +
         dropped(weights.linear(layer + "mlp.down_proj", inner_RQI), DropoutSite::output);
}

EncoderStack LlamaLike::stack(const LayerContext& context, const Turns& turns) const {
  return {.layers = static_cast<int>(kind_.geometry.layers),
          .context = context,
          .layer =
              [turns, this](const LayerContext& context, int n, const at::Tensor& x_RKD,
                            const Sight& sight, const at::Tensor& keep_R) {
                return layer(context, turns, n, x_RKD, sight, keep_R);
              },
          .reach = [this](int n) { return reach(n); }};
}

Reach LlamaLike::reach(int n) const {
  const std::int64_t window =
      kind_.windows.empty() ? 0 : kind_.windows[static_cast<std::size_t>(n)];
  return {.causal = true, .window = window - 1};
}

at::Tensor LlamaLike::encode(const Weights& weights, const Batch& batch,
                             const ForwardOptions& options) const {
  check_pass(batch, options, static_cast<int>(kind_.geometry.layers));
  const LayerContext context{weights, options.attention, dropout_of(batch, options)};
  const at::Tensor text_RLD =
      options.first_layer > 0 ? options.hidden_RLD : embed(context, batch, options.soft_TPD);
  const Turns turns(kind_.rotary, text_RLD.size(1), text_RLD);
  return weights.rms_norm(kFinalNorm, stack(context, turns).run(batch, options, text_RLD),
                          kind_.epsilon);
}

at::Tensor LlamaLike::encode_below(const Weights& weights, const Batch& batch, int layer) const {
  check_prefix(batch, layer, static_cast<int>(kind_.geometry.layers));
  const LayerContext context{weights, Attention::fused, Dropout()};
  const at::Tensor text_RLD = embed(context, batch, {});
  const Turns turns(kind_.rotary, text_RLD.size(1), text_RLD);
  return stack(context, turns).run_below(batch, text_RLD, layer);
}

at::Tensor LlamaLike::extend(const Weights& weights, const at::Tensor&, const Batch&,
                             const Batch& more, Past& past, const ForwardOptions& options) const {
  check_extension(more, options);
  const LayerContext context{weights, options.attention, Dropout(), &past};
  at::Tensor x_RLD =
      with_soft_tokens(weights.embedding(kWords, more.ids_RL), more, options.soft_TPD);
  const Turns turns(kind_.rotary, places_after(past, more, kind_.geometry.positions), x_RLD);
  for (int n = 0; n < static_cast<int>(kind_.geometry.layers); ++n) {
    const Sight sight = sight_after(past, more, x_RLD.scalar_type(), reach(n));
    x_RLD = layer(context, turns, n, x_RLD, sight, {});
  }
  past.note(more);
  x_RLD = options.keep_R.defined() ? kept(x_RLD, options.keep_R).squeeze(1) : x_RLD;
  return weights.rms_norm(kFinalNorm, x_RLD, kind_.epsilon);
}

at::Tensor LlamaLike::pooled(const Weights&, const at::Tensor&) const {
  throw Error(Fault::data, "a model of this kind has no pooler", "",
              "Read the last position's state itself");
}

at::Tensor LlamaLike::word_logits(const Weights& weights, const at::Tensor& states_ND,
                                  const at::Tensor& ids) const {
  if (!kind_.tied && !weights.contains(kHead + ".weight")) {
    throw Error(Fault::data, "the model has no head for words", kHead + ".weight",
                "Import the causal language model, not its body alone");
  }
  return weights.tied_decoder(kind_.tied ? kWords : kHead, "", states_ND, ids);
}

std::string LlamaLike::word_table() const {
  return kWords + ".weight";
}

std::vector<std::string> LlamaLike::word_rows() const {
  if (kind_.tied) return {word_table()};
  return {word_table(), kHead + ".weight"};
}

Cost LlamaLike::cost(const Pass& pass, at::ScalarType dtype) const {
  return gated_cost(
      kind_.geometry,
      {.queries = kind_.geometry.heads * kind_.depth, .keys = kind_.key_heads * kind_.depth}, pass,
      dtype);
}

}  // namespace metaloom
