// ModernBERT (Warner et al. 2024): pre-norm layers that rotate queries and keys, most of which see
// a window on both sides, with GeGLU and hardly a bias; an optional MLM head. Hugging Face's names
// without the prefix `model.`.
// Legend: R rows, L text positions, K positions with prompt rows, Q positions computed, D width, I
// inner width.
#include <ATen/ATen.h>

#include <utility>

#include "core/error.h"
#include "core/registry.h"
#include "models/backbones/bert_like.h"
#include "models/layers/gated_cost.h"
#include "models/layers/layer_types.h"
#include "models/layers/positions.h"
#include "models/layers/rotary.h"

namespace metaloom {
namespace {

const std::string kWords = "embeddings.tok_embeddings";
const std::string kFirstNorm = "embeddings.norm";
const std::string kFinalNorm = "final_norm";
const std::string kDecoder = "decoder";

std::string name_of_layer(int n) {
  return "layers." + std::to_string(n) + ".";
}

struct ModernKind {
  Backbone::Geometry geometry;
  EncoderLayerShape shape;
  bool norm_bias = false, attention_bias = false, mlp_bias = false;
  MlmHead head;
  std::int64_t window = 64;  // what local layers see on either side
  std::vector<bool> local;   // by layer
  Rotary turn_locally, turn_globally;
};

// The rope_parameters of layers of one type; `old` is the key that told theta before
// transformers 5.
Rotary rotary_of(const ModelConfig& config, const char* type, const char* old, double theta,
                 const Backbone::Geometry& geometry) {
  Json given;
  if (config.has("rope_parameters")) {
    const Json& all = config.at("rope_parameters");
    if (!all.is_object()) {
      ModelConfig::refuse("rope_parameters is " + all.dump(), "It must be an object");
    }
    given = all.value(type, Json());
    if (!given.is_null() && !given.is_object()) {
      ModelConfig::refuse(std::string("rope_parameters.") + type + " is " + given.dump(),
                          "It must be an object");
    }
    // transformers look for it beside the kinds of layers, not within.
    given["truncate"] = all.value("truncate", Json());
  }
  if (config.has("rope_scaling")) {
    const Json& scaling = config.at("rope_scaling");
    if (!scaling.is_object()) {
      ModelConfig::refuse("rope_scaling is " + scaling.dump(), "It must be an object");
    }
    given.update(scaling);
  }
  return Rotary::parse(given, {.theta = config.above_zero(old, theta),
                               .depth = geometry.width / geometry.heads,
                               .positions = geometry.positions});
}

ModernKind kind_of(const ModelConfig& config) {
  ModernKind kind;
  kind.geometry = {.width = config.positive("hidden_size"),
                   .layers = config.positive("num_hidden_layers"),
                   .heads = config.positive("num_attention_heads"),
                   .inner = config.positive("intermediate_size"),
                   .vocabulary = config.positive("vocab_size"),
                   .positions = config.positive("max_position_embeddings")};
  config.require_divides("hidden_size", kind.geometry.width, "num_attention_heads",
                         kind.geometry.heads);
  kind.shape = {.heads = kind.geometry.heads,
                .epsilon = config.above_zero("norm_eps", 1e-5),
                .activation = config.activation("hidden_activation")};
  kind.norm_bias = config.flag("norm_bias", false);
  kind.attention_bias = config.flag("attention_bias", false);
  kind.mlp_bias = config.flag("mlp_bias", false);
  kind.head = {.dense = "head.dense",
               .norm = "head.norm",
               .bias = config.flag("decoder_bias", true) ? kDecoder + ".bias" : "",
               .activation = config.activation("classifier_activation"),
               .dense_bias = config.flag("classifier_bias", false),
               .norm_bias = kind.norm_bias,
               .table = config.flag("tie_word_embeddings", true) ? "" : kDecoder};
  kind.window = config.positive("local_attention", 128) / 2;
  const std::int64_t every = config.positive("global_attn_every_n_layers", 3);
  kind.local = local_layers(config, kind.geometry.layers,
                            [every](std::int64_t n) { return n % every != 0; });
  kind.turn_locally =
      rotary_of(config, "sliding_attention", "local_rope_theta", 10000, kind.geometry);
  kind.turn_globally =
      rotary_of(config, "full_attention", "global_rope_theta", 160000, kind.geometry);
  return kind;
}

class ModernBert final : public Backbone {
 public:
  explicit ModernBert(ModernKind kind) : kind_(std::move(kind)) {}

  Geometry geometry() const override { return kind_.geometry; }
  using Backbone::parameters;
  std::vector<Parameter> parameters() const override;
  Framing framing() const override;
  HubLayout hub_layout() const override;
  at::Tensor encode(const Weights& weights, const Batch& batch,
                    const ForwardOptions& options) const override;
  at::Tensor encode_below(const Weights& weights, const Batch& batch, int layer) const override;
  at::Tensor pooled(const Weights&, const at::Tensor&) const override {
    throw Error(Fault::data, "a ModernBERT has no pooler", "", "Read the first position's state");
  }
  at::Tensor word_logits(const Weights& weights, const at::Tensor& states_ND,
                         const at::Tensor& ids) const override {
    return kind_.head.logits(weights, kind_.shape, kWords, states_ND, ids);
  }
  std::string word_table() const override { return kWords + ".weight"; }
  std::vector<std::string> word_rows() const override;
  Cost cost(const Pass& pass, at::ScalarType dtype) const override;

 private:
  // How the positions of a pass turn in layers of either kind.
  struct BothTurns {
    Turns locally, globally;
  };
  BothTurns turns_of(const at::Tensor& text_RLD) const {
    const std::int64_t length = text_RLD.size(1);
    return {Turns(kind_.turn_locally, length, text_RLD),
            Turns(kind_.turn_globally, length, text_RLD)};
  }
  bool is_local(int n) const { return kind_.local[static_cast<std::size_t>(n)]; }
  at::Tensor embed(const LayerContext& context, const Batch& batch,
                   const at::Tensor& soft_TPD) const;
  at::Tensor layer(const LayerContext& context, const Turns& turns, int n, const at::Tensor& x_RKD,
                   const Sight& sight, const at::Tensor& keep_R) const;
  EncoderStack stack(const LayerContext& context, const BothTurns& turns) const;

  ModernKind kind_;
};

std::vector<Parameter> ModernBert::parameters() const {
  const auto& [width, layers, heads, inner, vocabulary, positions] = kind_.geometry;
  ParameterList list;
  list.part(Part::embeddings);
  list.matrix(kWords + ".weight", vocabulary, width);
  list.norm(kFirstNorm, width, kind_.norm_bias);
  list.part(Part::layers);
  list.norm(kFinalNorm, width, kind_.norm_bias);
  for (int n = 0; n < layers; ++n) {
    const std::string layer = name_of_layer(n);
    list.part(Part::layers, n);
    if (n > 0) list.norm(layer + "attn_norm", width, kind_.norm_bias);
    list.dense(layer + "attn.Wqkv", width, 3 * width, kind_.attention_bias);
    list.dense(layer + "attn.Wo", width, width, kind_.attention_bias);
    list.norm(layer + "mlp_norm", width, kind_.norm_bias);
    list.dense(layer + "mlp.Wi", width, 2 * inner, kind_.mlp_bias);
    list.dense(layer + "mlp.Wo", inner, width, kind_.mlp_bias);
  }
  kind_.head.declare(list, width, width, vocabulary);
  return list.by_name();
}

Framing ModernBert::framing() const {
  Framing framing = framing_of_bert();
  framing.types = false;
  return framing;
}

HubLayout ModernBert::hub_layout() const {
  HubLayout layout{.prefix = "model."};
  if (kind_.head.table.empty()) layout.tied = {{kDecoder + ".weight", word_table()}};
  return layout;
}

at::Tensor ModernBert::embed(const LayerContext& context, const Batch& batch,
                             const at::Tensor& soft_TPD) const {
  check_length(batch.ids_RL.size(1), kind_.geometry.positions);
  const at::Tensor words_RLD =
      with_soft_tokens(context.weights.embedding(kWords, batch.ids_RL), batch, soft_TPD);
  return context.dropout.states(
      context.weights.layer_norm(kFirstNorm, words_RLD, kind_.shape.epsilon), -1,
      DropoutSite::embeddings, batch.ids_RL.size(1), {});
}

at::Tensor ModernBert::layer(const LayerContext& context, const Turns& turns, int n,
                             const at::Tensor& x_RKD, const Sight& sight,
                             const at::Tensor& keep_R) const {
  const Weights& weights = context.weights;
  const std::string layer = name_of_layer(n);
  const std::int64_t heads = kind_.geometry.heads;
  const auto computed = [&keep_R](const at::Tensor& x) {
    return keep_R.defined() ? kept(x, keep_R) : x;
  };
  const auto dropped = [&](const at::Tensor& x, DropoutSite site) {
    return context.dropout.states(x, n, site, x_RKD.size(1), keep_R);
  };
  // The first layer's input comes from a LayerNorm already.
  const at::Tensor normed_RKD =
      n == 0 ? x_RKD : weights.layer_norm(layer + "attn_norm", x_RKD, kind_.shape.epsilon);
  const std::vector<at::Tensor> qkv = weights.linear(layer + "attn.Wqkv", normed_RKD).chunk(3, -1);
  const at::Tensor attended_RQD =
      attend(context, n, turns.turned(by_head(computed(qkv[0]), heads), sight.prompts, keep_R),
             turns.turned(by_head(qkv[1], heads), sight.prompts, {}), by_head(qkv[2], heads), sight,
             keep_R);
  const at::Tensor mixed_RQD =
      computed(x_RKD) +
      dropped(weights.linear(layer + "attn.Wo", attended_RQD), DropoutSite::attention);
  const at::Tensor y_RQD = weights.layer_norm(layer + "mlp_norm", mixed_RQD, kind_.shape.epsilon);
  const std::vector<at::Tensor> inner = weights.linear(layer + "mlp.Wi", y_RQD).chunk(2, -1);
  const at::Tensor inner_RQI = activate(kind_.shape.activation, inner[0]) * inner[1];
  return mixed_RQD + dropped(weights.linear(layer + "mlp.Wo", inner_RQI), DropoutSite::output);
}

EncoderStack ModernBert::stack(const LayerContext& context, const BothTurns& turns) const {
  return {.layers = static_cast<int>(kind_.geometry.layers),
          .context = context,
          .layer =
              [turns, this](const LayerContext& context, int n, const at::Tensor& x_RKD,
                            const Sight& sight, const at::Tensor& keep_R) {
                return layer(context, is_local(n) ? turns.locally : turns.globally, n, x_RKD, sight,
                             keep_R);
              },
          .reach = [this](int n) { return is_local(n) ? Reach{.window = kind_.window} : Reach{}; }};
}

at::Tensor ModernBert::encode(const Weights& weights, const Batch& batch,
                              const ForwardOptions& options) const {
  check_pass(batch, options, static_cast<int>(kind_.geometry.layers));
  const LayerContext context{weights, options.attention, dropout_of(batch, options)};
  const at::Tensor text_RLD =
      options.first_layer > 0 ? options.hidden_RLD : embed(context, batch, options.soft_TPD);
  const BothTurns turns = turns_of(text_RLD);
  return weights.layer_norm(kFinalNorm, stack(context, turns).run(batch, options, text_RLD),
                            kind_.shape.epsilon);
}

at::Tensor ModernBert::encode_below(const Weights& weights, const Batch& batch, int layer) const {
  check_prefix(batch, layer, static_cast<int>(kind_.geometry.layers));
  const LayerContext context{weights, Attention::fused, Dropout()};
  const at::Tensor text_RLD = embed(context, batch, {});
  const BothTurns turns = turns_of(text_RLD);
  return stack(context, turns).run_below(batch, text_RLD, layer);
}

std::vector<std::string> ModernBert::word_rows() const {
  std::vector<std::string> rows = kind_.head.word_rows();
  rows.push_back(word_table());
  return rows;
}

Cost ModernBert::cost(const Pass& pass, at::ScalarType dtype) const {
  const std::int64_t width = kind_.geometry.width;
  return gated_cost(kind_.geometry, {.queries = width, .keys = width, .head_dense = true}, pass,
                    dtype);
}

const Register<Backbone> here{"modernbert",
                              "ModernBERT encoder with an optional MLM head (Warner et al. 2024)",
                              [](const std::string& config) {
                                return std::make_unique<ModernBert>(kind_of(ModelConfig(config)));
                              }};

}  // namespace
}  // namespace metaloom
