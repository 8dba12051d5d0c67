// BERT (Devlin et al. 2019), post-LayerNorm, with Hugging Face's parameter names. Parity with
// transformers: tests/golden/bert_parity_test.py.
// Legend: R rows, L text positions, P prompt rows, D width, T tasks, V vocabulary, C candidates.
#include <ATen/ATen.h>

#include "core/error.h"
#include "core/registry.h"
#include "models/backbones/bert_config.h"
#include "models/layers/encoder_layer.h"

namespace metaloom {
namespace {

const std::string kWords = "embeddings.word_embeddings";
const std::string kHead = "cls.predictions.";

// 1 at the tokens of each row, 0 at its padding.
at::Tensor token_mask(const Batch& batch, const at::Tensor& like) {
  const at::Tensor position_L = at::arange(batch.ids_RL.size(1), batch.length_R.options());
  return (position_L.unsqueeze(0) < batch.length_R.unsqueeze(1)).to(like.scalar_type());
}

// Added to attention scores [R, H, Q, P + L]: 0 at prompt rows and tokens, -inf at padding.
// Undefined where no row is padded: that is the faster kernel.
at::Tensor key_bias(const Batch& batch, const at::Tensor& mask_RL, std::int64_t prompt) {
  if (batch.tokens == batch.ids_RL.numel()) return {};
  const std::int64_t rows = mask_RL.size(0), length = mask_RL.size(1);
  at::Tensor bias = at::zeros({rows, 1, 1, prompt + length}, mask_RL.options());
  bias.narrow(3, prompt, length)
      .masked_fill_(mask_RL.view({rows, 1, 1, length}) == 0,
                    -std::numeric_limits<double>::infinity());
  return bias;
}

Dropout dropout_of(const Batch& batch, const ForwardOptions& options) {
  std::vector<Rng> streams = options.dropout_by_task;
  if (streams.empty() && options.dropout != nullptr) {
    for (std::int64_t task = 0; task < batch.tasks; ++task) {
      streams.push_back(options.dropout->at({task}));
    }
  }
  if (!streams.empty() && static_cast<std::int64_t>(streams.size()) != batch.tasks) {
    throw Error(Fault::internal, std::to_string(streams.size()) + " dropout streams for " +
                                     std::to_string(batch.tasks) + " tasks");
  }
  return Dropout(std::move(streams), options.dropout_rate);
}

class Bert final : public Backbone {
 public:
  explicit Bert(const std::string& config) : config_(BertConfig::parse(config)) {}

  Geometry geometry() const override { return config_.geometry; }
  using Backbone::parameters;
  std::vector<Parameter> parameters() const override { return config_.parameters(); }
  at::Tensor encode(const Weights& weights, const Batch& batch,
                    const ForwardOptions& options) const override;
  at::Tensor encode_below(const Weights& weights, const Batch& batch, int layer) const override;
  at::Tensor pooled(const Weights& weights, const at::Tensor& first_RD) const override;
  at::Tensor mlm_logits(const Weights& weights, const at::Tensor& states_ND,
                        const at::Tensor& ids) const override;
  std::string word_table() const override { return kWords + ".weight"; }
  std::string word_bias() const override { return kHead + "bias"; }
  Cost forward_cost(std::int64_t rows, std::int64_t length, std::int64_t first_layer,
                    std::int64_t head_rows, std::int64_t head_ids) const override;

 private:
  at::Tensor embed(const LayerContext& context, const Batch& batch,
                   const at::Tensor& soft_TPD) const;
  at::Tensor run_layers(const LayerContext& context, const Batch& batch,
                        const ForwardOptions& options, at::Tensor text_RLD, int last) const;
  LayerContext context(const Weights& weights, Attention attention, Dropout dropout) const {
    return {weights,   config_.geometry.heads, config_.epsilon, config_.activation,
            attention, std::move(dropout)};
  }
  int layers() const { return static_cast<int>(config_.geometry.layers); }

  BertConfig config_;
};

// Soft tokens take the place of a word's embedding and get position, type and LayerNorm like any
// word (P-tuning, Liu et al. 2021).
at::Tensor with_soft_tokens(const at::Tensor& words_RLD, const Batch& batch,
                            const at::Tensor& soft_TPD) {
  const std::int64_t rows = batch.rows(), tasks = soft_TPD.size(0), count = soft_TPD.size(1);
  if (tasks != 1 && tasks != batch.tasks) {
    throw Error(Fault::internal, "soft tokens of " + std::to_string(tasks) +
                                     " tasks in a batch of " + std::to_string(batch.tasks));
  }
  const at::Tensor is_soft_RL1 = (batch.slot_RL >= 0).unsqueeze(-1);
  at::Tensor index_RL = batch.slot_RL.clamp_min(0);
  if (tasks > 1) {
    const at::Tensor task_R1 =
        at::arange(rows, batch.slot_RL.options()).floor_divide(rows / tasks).unsqueeze(1);
    index_RL = index_RL + task_R1 * count;
  }
  return at::where(is_soft_RL1, at::embedding(soft_TPD.flatten(0, 1), index_RL), words_RLD);
}

at::Tensor Bert::embed(const LayerContext& context, const Batch& batch,
                       const at::Tensor& soft_TPD) const {
  const Weights& weights = context.weights;
  const std::int64_t rows = batch.rows(), length = batch.ids_RL.size(1);
  if (length > config_.geometry.positions) {
    throw Error(Fault::data,
                "rows of " + std::to_string(length) + " tokens for a model of " +
                    std::to_string(config_.geometry.positions) + " positions",
                "batch", "Set data.max_length to at most that");
  }
  at::Tensor x_RLD = weights.embedding(kWords, batch.ids_RL);
  if (soft_TPD.defined() && batch.slot_RL.defined()) {
    x_RLD = with_soft_tokens(x_RLD, batch, soft_TPD);
  }
  const at::Tensor types_RL =
      batch.segments_RL.defined() ? batch.segments_RL : at::zeros_like(batch.ids_RL);
  x_RLD = x_RLD + weights.embedding("embeddings.token_type_embeddings", types_RL);
  // One row of positions a task is enough: they are the same for all its rows.
  const at::Tensor position_TL =
      at::arange(length, batch.ids_RL.options()).expand({batch.tasks, length});
  const at::Tensor positions_T1LD =
      weights.embedding("embeddings.position_embeddings", position_TL).unsqueeze(1);
  x_RLD = (x_RLD.unflatten(0, {batch.tasks, rows / batch.tasks}) + positions_T1LD).flatten(0, 1);
  x_RLD = weights.layer_norm("embeddings.LayerNorm", x_RLD, context.epsilon);
  return context.dropout.states(x_RLD, -1, DropoutSite::embeddings, length, {});
}

// text_RLD are the states at the input of options.first_layer; runs the layers below `last`.
at::Tensor Bert::run_layers(const LayerContext& context, const Batch& batch,
                            const ForwardOptions& options, at::Tensor text_RLD, int last) const {
  const at::Tensor mask_RL = token_mask(batch, text_RLD);
  at::Tensor below_RPD, bias_R11K = key_bias(batch, mask_RL, 0);
  std::int64_t bias_prompt = 0;
  for (int n = options.first_layer; n < last; ++n) {
    if (options.prompts != nullptr) {
      below_RPD = options.prompts->at(n, text_RLD, mask_RL, below_RPD);
    }
    const std::int64_t prompt = below_RPD.defined() ? below_RPD.size(1) : 0;
    if (prompt != bias_prompt) bias_R11K = key_bias(batch, mask_RL, prompt);
    bias_prompt = prompt;
    const at::Tensor x_RKD = prompt > 0 ? at::cat({below_RPD, text_RLD}, 1) : text_RLD;
    const std::string name = "encoder.layer." + std::to_string(n) + ".";
    if (n + 1 == layers() && options.keep_R.defined()) {
      return encoder_layer(context, n, name, x_RKD, bias_R11K, options.keep_R + prompt).squeeze(1);
    }
    text_RLD = encoder_layer(context, n, name, x_RKD, bias_R11K, {});
    if (prompt > 0) {
      below_RPD = text_RLD.narrow(1, 0, prompt);
      text_RLD = text_RLD.narrow(1, prompt, text_RLD.size(1) - prompt);
    }
  }
  return options.keep_R.defined() ? kept(text_RLD, options.keep_R).squeeze(1) : text_RLD;
}

at::Tensor Bert::encode(const Weights& weights, const Batch& batch,
                        const ForwardOptions& options) const {
  if (options.first_layer < 0 || options.first_layer > layers() ||
      (options.first_layer > 0) != options.hidden_RLD.defined()) {
    throw Error(Fault::internal, "a forward pass from layer " +
                                     std::to_string(options.first_layer) + " of " +
                                     std::to_string(layers()) + " needs that layer's states");
  }
  if (options.prompts != nullptr && options.prompts->lowest() < options.first_layer) {
    throw Error(Fault::internal, "prompts at layer " + std::to_string(options.prompts->lowest()) +
                                     " below the first layer that is run");
  }
  if (batch.rows() % batch.tasks != 0) {
    throw Error(Fault::internal, std::to_string(batch.rows()) + " rows do not divide by " +
                                     std::to_string(batch.tasks) + " tasks");
  }
  if (options.first_layer == 0 && batch.slot_RL.defined() && !options.soft_TPD.defined()) {
    throw Error(Fault::internal, "a batch with soft tokens needs their values");
  }
  const LayerContext shared = context(weights, options.attention, dropout_of(batch, options));
  const at::Tensor text_RLD =
      options.first_layer > 0 ? options.hidden_RLD : embed(shared, batch, options.soft_TPD);
  return run_layers(shared, batch, options, text_RLD, layers());
}

at::Tensor Bert::encode_below(const Weights& weights, const Batch& batch, int layer) const {
  if (layer < 0 || layer > layers()) {
    throw Error(Fault::internal, "there is no layer " + std::to_string(layer));
  }
  if (batch.slot_RL.defined()) {
    throw Error(Fault::internal, "a prefix cannot hold soft tokens: they are trained");
  }
  const LayerContext shared = context(weights, Attention::fused, Dropout());
  return run_layers(shared, batch, ForwardOptions{}, embed(shared, batch, {}), layer);
}

at::Tensor Bert::pooled(const Weights& weights, const at::Tensor& first_RD) const {
  if (!weights.contains("pooler.dense.weight")) {
    throw Error(Fault::data, "the model has no pooler", "pooler.dense.weight",
                "Import a model that has one, or read the [CLS] state itself");
  }
  return weights.linear("pooler.dense", first_RD.dim() == 3 ? first_RD.select(1, 0) : first_RD)
      .tanh();
}

at::Tensor Bert::mlm_logits(const Weights& weights, const at::Tensor& states_ND,
                            const at::Tensor& ids) const {
  if (!weights.contains(kHead + "transform.dense.weight")) {
    throw Error(Fault::data, "the model has no MLM head", kHead + "transform.dense.weight",
                "Use one that has (minilm-mlm), or train one with method = \"mlm\"");
  }
  const at::Tensor transformed_ND = weights.layer_norm(
      kHead + "transform.LayerNorm",
      activate(config_.activation, weights.linear(kHead + "transform.dense", states_ND)),
      config_.epsilon);
  return weights.tied_decoder(kWords, kHead + "bias", transformed_ND, ids);
}

Cost Bert::forward_cost(std::int64_t rows, std::int64_t length, std::int64_t first_layer,
                        std::int64_t head_rows, std::int64_t head_ids) const {
  const double d = static_cast<double>(config_.geometry.width);
  const double inner = static_cast<double>(config_.geometry.inner);
  const double tokens = static_cast<double>(rows) * static_cast<double>(length);
  const double run = static_cast<double>(config_.geometry.layers - first_layer);
  const double states = static_cast<double>(head_rows), ids = static_cast<double>(head_ids);
  Cost cost;
  cost.flops = tokens * run * (8 * d * d + 4 * d * inner + 4 * static_cast<double>(length) * d) +
               2 * states * d * (d + ids);
  // Kept for backward per token and layer: q, k, v, the attention's output, both sums and both
  // LayerNorms' outputs; the inner states before and after the activation; the scores' normaliser.
  const double kept_per_layer = 8 * d + 2 * inner + static_cast<double>(config_.geometry.heads);
  cost.peak_bytes = 4 * (tokens * (run * kept_per_layer + 3 * d) + states * (3 * d + 2 * ids));
  return cost;
}

const Register<Backbone> here{
    "bert", "BERT encoder with an optional pooler and MLM head (Devlin et al. 2019)",
    [](const std::string& config) { return std::make_unique<Bert>(config); }};

}  // namespace
}  // namespace metaloom
