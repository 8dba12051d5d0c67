// GPT-2 (Radford et al. 2019): a causal model with learned positions, LayerNorms before what they
// are for and one behind the last layer, and the word table as its head. Hugging Face's names
// without the prefix `transformer.`.
// Legend: R rows, L text positions, K positions with prompt rows, Q positions computed, D width.
#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"
#include "core/registry.h"
#include "models/decoder.h"
#include "models/layers/encoder_cost.h"
#include "models/layers/model_config.h"
#include "models/layers/parameter_list.h"
#include "models/layers/positions.h"
#include "models/layers/sights.h"

namespace metaloom {
namespace {

const std::string kWords = "wte";
const std::string kPositions = "wpe";
const std::string kLastNorm = "ln_f";
const std::string kHead = "lm_head";

struct Gpt2Config {
  Backbone::Geometry geometry;
  double epsilon = 1e-5;
  Activation activation = Activation::gelu_tanh;
  bool by_width = true;   // scores over the root of a head's width
  bool by_depth = false;  // scores of layer n over n + 1 (Mistral)
  bool tied = true;       // the word table is the head's matrix

  static Gpt2Config parse(const std::string& json);
};

Gpt2Config Gpt2Config::parse(const std::string& json) {
  const ModelConfig config(json);
  Gpt2Config out;
  out.geometry = {.width = config.positive("n_embd"),
                  .layers = config.positive("n_layer"),
                  .heads = config.positive("n_head"),
                  .inner = config.positive("n_inner", 4 * config.positive("n_embd")),
                  .vocabulary = config.positive("vocab_size"),
                  .positions = config.positive("n_positions")};
  config.require_divides("n_embd", out.geometry.width, "n_head", out.geometry.heads);
  out.epsilon = config.above_zero("layer_norm_epsilon", out.epsilon);
  out.activation = config.activation("activation_function", "gelu_new");
  out.by_width = config.flag("scale_attn_weights", out.by_width);
  out.by_depth = config.flag("scale_attn_by_inverse_layer_idx", out.by_depth);
  config.require("add_cross_attention", {false}, "Only GPT-2 without an encoder is supported");
  out.tied = config.flag("tie_word_embeddings", out.tied);
  // reorder_and_upcast_attn changes nothing here: it says in which order scores are scaled and that
  // they are fp32 where the rest is of half precision, as they are here without it.
  return out;
}

struct LayerNames {
  std::string attention_norm, query_key_value, attended, inner_norm, inner, outer;

  explicit LayerNames(std::int64_t n) {
    const std::string layer = "h." + std::to_string(n) + ".";
    attention_norm = layer + "ln_1";
    query_key_value = layer + "attn.c_attn";
    attended = layer + "attn.c_proj";
    inner_norm = layer + "ln_2";
    inner = layer + "mlp.c_fc";
    outer = layer + "mlp.c_proj";
  }
};

class Gpt2 final : public Backbone, public Decoder {
 public:
  explicit Gpt2(Gpt2Config config) : config_(config) {
    for (std::int64_t n = 0; n < config_.geometry.layers; ++n) layers_.emplace_back(n);
  }

  Geometry geometry() const override { return config_.geometry; }
  using Backbone::parameters;
  std::vector<Parameter> parameters() const override;
  Framing framing() const override {
    return {.before = {},
            .between = {Special::end},
            .after = {},
            .types = false,
            .row = ReadAt::last,
            .answer = ReadAt::last};
  }
  HubLayout hub_layout() const override;
  at::Tensor encode(const Weights& weights, const Batch& batch,
                    const ForwardOptions& options) const override;
  at::Tensor encode_below(const Weights& weights, const Batch& batch, int layer) const override;
  at::Tensor pooled(const Weights&, const at::Tensor&) const override {
    throw Error(Fault::data, "the model has no pooler", "gpt2", "Read the last position's state");
  }
  at::Tensor word_logits(const Weights& weights, const at::Tensor& states_ND,
                         const at::Tensor& ids) const override {
    if (!config_.tied && !weights.contains(kHead + ".weight")) {
      throw Error(Fault::data, "the model has no head for words", kHead + ".weight",
                  "Import the causal language model, not its body alone");
    }
    return weights.tied_decoder(config_.tied ? kWords : kHead, "", states_ND, ids);
  }
  std::string word_table() const override { return kWords + ".weight"; }
  std::vector<std::string> word_rows() const override {
    if (config_.tied) return {word_table()};
    return {word_table(), kHead + ".weight"};
  }
  Cost cost(const Pass& pass, at::ScalarType dtype) const override {
    return encoder_cost(geometry(), pass, dtype, /*table_alone=*/true);
  }

  const Decoder* decoder() const override { return this; }
  at::Tensor memory(const Weights&, const Batch&, const ForwardOptions&) const override {
    return {};
  }
  at::Tensor decode(const Weights& weights, const at::Tensor&, const Batch& batch,
                    const ForwardOptions& options) const override {
    return encode(weights, target_of(batch), options);
  }
  at::Tensor extend(const Weights& weights, const at::Tensor& memory_RSD, const Batch& batch,
                    const Batch& more, Past& past, const ForwardOptions& options) const override;
  std::optional<std::int64_t> first() const override { return {}; }

 private:
  at::Tensor embed(const LayerContext& context, const Batch& batch,
                   const at::Tensor& soft_TPD) const;
  at::Tensor layer(const LayerContext& context, int n, const at::Tensor& x_RKD, const Sight& sight,
                   const at::Tensor& keep_R) const;
  EncoderStack stack(const LayerContext& context) const;
  int layers() const { return static_cast<int>(layers_.size()); }

  Gpt2Config config_;
  std::vector<LayerNames> layers_;
};

std::vector<Parameter> Gpt2::parameters() const {
  const auto& [width, layers, heads, inner, vocabulary, positions] = config_.geometry;
  ParameterList list;
  list.part(Part::embeddings);
  list.matrix(kWords + ".weight", vocabulary, width);
  list.matrix(kPositions + ".weight", positions, width);
  for (std::size_t n = 0; n < layers_.size(); ++n) {
    const LayerNames& names = layers_[n];
    list.part(Part::layers, static_cast<int>(n));
    list.norm(names.attention_norm, width);
    list.dense(names.query_key_value, width, 3 * width);
    list.dense(names.attended, width, width);
    list.norm(names.inner_norm, width);
    list.dense(names.inner, width, inner);
    list.dense(names.outer, inner, width);
  }
  list.part(Part::layers);
  list.norm(kLastNorm, width);
  list.part(Part::head);
  if (!config_.tied) list.matrix(kHead + ".weight", vocabulary, width);
  return list.by_name();
}

HubLayout Gpt2::hub_layout() const {
  HubLayout out{.prefix = "transformer.",
                .transposed = {"attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight",
                               "mlp.c_proj.weight"}};
  if (config_.tied) out.tied = {{kHead + ".weight", word_table()}};
  for (int n = 0; n < layers(); ++n) {  // the causal mask
    const std::string attention = "h." + std::to_string(n) + ".attn.";
    out.ignored.push_back(attention + "bias");
    out.ignored.push_back(attention + "masked_bias");
  }
  return out;
}

at::Tensor Gpt2::embed(const LayerContext& context, const Batch& batch,
                       const at::Tensor& soft_TPD) const {
  const std::int64_t length = batch.ids_RL.size(1);
  check_length(length, config_.geometry.positions);
  const at::Tensor words_RLD =
      with_soft_tokens(context.weights.embedding(kWords, batch.ids_RL), batch, soft_TPD);
  return context.dropout.states(with_positions(context.weights, kPositions, words_RLD, batch.tasks),
                                -1, DropoutSite::embeddings, length, {});
}

at::Tensor Gpt2::layer(const LayerContext& context, int n, const at::Tensor& x_RKD,
                       const Sight& sight, const at::Tensor& keep_R) const {
  const Weights& weights = context.weights;
  const LayerNames& names = layers_[static_cast<std::size_t>(n)];
  const std::int64_t width = config_.geometry.width, heads = config_.geometry.heads;
  const auto dropped = [&](const at::Tensor& x, DropoutSite site) {
    return context.dropout.states(x, n, site, x_RKD.size(1), keep_R);
  };
  const at::Tensor all_RKD = weights.linear(
      names.query_key_value, weights.layer_norm(names.attention_norm, x_RKD, config_.epsilon));
  at::Tensor q_RQD = all_RKD.narrow(2, 0, width);
  if (keep_R.defined()) q_RQD = kept(q_RQD, keep_R);
  const double head_width = static_cast<double>(width / heads);
  // attend() scales by the root of a head's width.
  const double scale =
      (config_.by_width ? 1 : std::sqrt(head_width)) / (config_.by_depth ? n + 1 : 1);
  if (scale != 1) q_RQD = q_RQD * scale;
  Past::Heads seen{by_head(all_RKD.narrow(2, width, width), heads),
                   by_head(all_RKD.narrow(2, 2 * width, width), heads)};
  if (context.past != nullptr) seen = context.past->joined(n, seen);
  const at::Tensor attended_RQD =
      attend(context, n, by_head(q_RQD, heads), seen.k_RHKE, seen.v_RHKE, sight, keep_R);
  const at::Tensor mixed_RQD =
      dropped(weights.linear(names.attended, attended_RQD), DropoutSite::attention) +
      (keep_R.defined() ? kept(x_RKD, keep_R) : x_RKD);
  const at::Tensor inner_RQI =
      activate(config_.activation,
               weights.linear(names.inner,
                              weights.layer_norm(names.inner_norm, mixed_RQD, config_.epsilon)));
  return dropped(weights.linear(names.outer, inner_RQI), DropoutSite::output) + mixed_RQD;
}

EncoderStack Gpt2::stack(const LayerContext& context) const {
  return {
      .layers = layers(),
      .context = context,
      .layer = [this](const LayerContext& context, int n, const at::Tensor& x_RKD,
                      const Sight& sight,
                      const at::Tensor& keep_R) { return layer(context, n, x_RKD, sight, keep_R); },
      .reach = [](int) { return Reach{.causal = true}; }};
}

at::Tensor Gpt2::encode(const Weights& weights, const Batch& batch,
                        const ForwardOptions& options) const {
  check_pass(batch, options, layers());
  const LayerContext shared{weights, options.attention, dropout_of(batch, options)};
  const at::Tensor text_RLD =
      options.first_layer > 0 ? options.hidden_RLD : embed(shared, batch, options.soft_TPD);
  return weights.layer_norm(kLastNorm, stack(shared).run(batch, options, text_RLD),
                            config_.epsilon);
}

at::Tensor Gpt2::encode_below(const Weights& weights, const Batch& batch, int layer) const {
  check_prefix(batch, layer, layers());
  const LayerContext shared{weights, Attention::fused, Dropout()};
  return stack(shared).run_below(batch, embed(shared, batch, {}), layer);
}

at::Tensor Gpt2::extend(const Weights& weights, const at::Tensor&, const Batch&, const Batch& more,
                        Past& past, const ForwardOptions& options) const {
  check_extension(more, options);
  const LayerContext shared{weights, options.attention, Dropout(), &past};
  at::Tensor x_RLD =
      with_soft_tokens(weights.embedding(kWords, more.ids_RL), more, options.soft_TPD) +
      positions_after(weights, kPositions, past, more, config_.geometry.positions);
  const Sight sight = sight_after(past, more, x_RLD.scalar_type());
  for (int n = 0; n < layers(); ++n) x_RLD = layer(shared, n, x_RLD, sight, {});
  past.note(more);
  x_RLD = options.keep_R.defined() ? kept(x_RLD, options.keep_R).squeeze(1) : x_RLD;
  return weights.layer_norm(kLastNorm, x_RLD, config_.epsilon);
}

const Register<Backbone> here{
    "gpt2", "GPT-2, a causal model (Radford et al. 2019)",
    [](const std::string& config) { return std::make_unique<Gpt2>(Gpt2Config::parse(config)); }};

}  // namespace
}  // namespace metaloom
