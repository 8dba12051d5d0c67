// BART (Lewis et al. 2020): an encoder like BERT's and a decoder that sees it, with one word table
// for both and for the head. Hugging Face's names without the prefix `model.`. Prompts stand at the
// inputs of the encoder's layers; a layer's number is the encoder's, the decoder's follow.
// Legend: R rows, S positions of the text, L of the target, K with prompt rows, D width.
#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"
#include "core/registry.h"
#include "models/backbones/bart_half.h"
#include "models/decoder.h"
#include "models/layers/encoder_cost.h"

namespace metaloom {
namespace {

const std::string kBias = "final_logits_bias";

class Bart final : public Backbone, public Decoder {
 public:
  explicit Bart(const BartConfig& config)
      : config_(config),
        encoder_(config, BartHalf::Side::encoder),
        decoder_(config, BartHalf::Side::decoder) {}

  Geometry geometry() const override { return config_.geometry; }
  using Backbone::parameters;
  std::vector<Parameter> parameters() const override;
  Framing framing() const override {
    return {.before = {Special::begin},
            .between = {Special::end, Special::end},
            .after = {Special::end},
            .types = false,
            .row = ReadAt::last,
            .answer = ReadAt::mask};
  }
  HubLayout hub_layout() const override;
  at::Tensor encode(const Weights& weights, const Batch& batch,
                    const ForwardOptions& options) const override;
  at::Tensor encode_below(const Weights& weights, const Batch& batch, int layer) const override;
  at::Tensor pooled(const Weights&, const at::Tensor&) const override {
    throw Error(Fault::data, "the model has no pooler", "bart", "Read the last position's state");
  }
  at::Tensor word_logits(const Weights& weights, const at::Tensor& states_ND,
                         const at::Tensor& ids) const override {
    // Models that were saved without a head have no bias: it is zero.
    return weights.tied_decoder(BartHalf::kWords, weights.contains(kBias) ? kBias : "", states_ND,
                                ids);
  }
  std::string word_table() const override { return BartHalf::kWords + ".weight"; }
  std::vector<std::string> word_rows() const override { return {word_table(), kBias}; }
  Cost cost(const Pass& pass, at::ScalarType dtype) const override;

  const Decoder* decoder() const override { return this; }
  at::Tensor memory(const Weights& weights, const Batch& batch,
                    const ForwardOptions& options) const override;
  at::Tensor decode(const Weights& weights, const at::Tensor& memory_RSD, const Batch& batch,
                    const ForwardOptions& options) const override;
  at::Tensor extend(const Weights& weights, const at::Tensor& memory_RSD, const Batch& batch,
                    const Batch& more, Past& past, const ForwardOptions& options) const override;
  std::optional<std::int64_t> first() const override { return config_.first; }

 private:
  /// The text, moved to the right behind the first piece: what the decoder is to make of it, soft
  /// tokens and masks as they stand (Lewis et al. 2020, 3.1 reads the last state of it).
  Batch shifted(const Batch& batch) const;
  Memory memory_of(const Batch& batch, const at::Tensor& states_RSD, std::int64_t queries) const;
  int layers() const { return static_cast<int>(config_.geometry.layers); }

  BartConfig config_;
  BartHalf encoder_, decoder_;
};

std::vector<Parameter> Bart::parameters() const {
  ParameterList list;
  list.part(Part::embeddings);
  list.matrix(word_table(), config_.geometry.vocabulary, config_.geometry.width);
  encoder_.declare(list);
  decoder_.declare(list);
  list.part(Part::head);
  list.vector(kBias, config_.geometry.vocabulary, Start::zeros);
  return list.by_name();
}

HubLayout Bart::hub_layout() const {
  return {.prefix = "model.",
          .tied = {{"encoder.embed_tokens.weight", word_table()},
                   {"decoder.embed_tokens.weight", word_table()},
                   {"lm_head.weight", word_table()}},
          .ignored = {"encoder.version", "decoder.version"},
          .flat = {kBias}};
}

Batch Bart::shifted(const Batch& batch) const {
  const auto behind = [](const at::Tensor& x_RL, std::int64_t first) {
    if (!x_RL.defined()) return x_RL;
    return at::cat(
        {at::full({x_RL.size(0), 1}, first, x_RL.options()), x_RL.narrow(1, 0, x_RL.size(1) - 1)},
        1);
  };
  Batch out;
  static_cast<Tokens&>(out) = batch;
  out.tasks = batch.tasks;
  out.ids_RL = behind(batch.ids_RL, config_.first);
  out.slot_RL = behind(batch.slot_RL, -1);
  return out;
}

Memory Bart::memory_of(const Batch& batch, const at::Tensor& states_RSD,
                       std::int64_t queries) const {
  return {states_RSD, sight_of_memory(batch, states_RSD.scalar_type(), queries),
          static_cast<int>(config_.decoder_layers)};
}

at::Tensor Bart::memory(const Weights& weights, const Batch& batch,
                        const ForwardOptions& options) const {
  check_pass(batch, options, layers());
  if (options.prompts != nullptr && options.prompts->lowest() >= layers()) {
    throw Error(Fault::internal,
                "prompts at layer " + std::to_string(options.prompts->lowest()) + " of " +
                    std::to_string(layers()) +
                    ": a decoder's layers take none, for their rows would stand before the piece "
                    "that every target begins with");
  }
  ForwardOptions all = options;
  all.keep_R = at::Tensor();  // the decoder sees every position
  return encoder_.run({weights, options.attention, dropout_of(batch, options)}, batch, all);
}

at::Tensor Bart::decode(const Weights& weights, const at::Tensor& memory_RSD, const Batch& batch,
                        const ForwardOptions& options) const {
  const Batch target = batch.target ? target_of(batch) : shifted(batch);
  ForwardOptions own;
  own.soft_TPD = options.soft_TPD;
  own.keep_R = options.keep_R;
  own.recompute = options.recompute;
  return decoder_.run(
      {weights, options.attention, dropout_of(batch, options), nullptr, {memory_RSD}}, target, own,
      memory_of(batch, memory_RSD, target.ids_RL.size(1)));
}

at::Tensor Bart::extend(const Weights& weights, const at::Tensor& memory_RSD, const Batch& batch,
                        const Batch& more, Past& past, const ForwardOptions& options) const {
  check_extension(more, options);
  const at::Tensor x_RLD =
      decoder_.extend({weights, options.attention, Dropout(), &past}, more, options.soft_TPD,
                      memory_of(batch, memory_RSD, more.ids_RL.size(1)));
  return options.keep_R.defined() ? kept(x_RLD, options.keep_R).squeeze(1) : x_RLD;
}

at::Tensor Bart::encode(const Weights& weights, const Batch& batch,
                        const ForwardOptions& options) const {
  return decode(weights, memory(weights, batch, options), batch, options);
}

at::Tensor Bart::encode_below(const Weights& weights, const Batch& batch, int layer) const {
  check_prefix(batch, layer, layers());
  return encoder_.run_below({weights, Attention::fused, Dropout()}, batch, layer);
}

Cost Bart::cost(const Pass& pass, at::ScalarType dtype) const {
  const DecoderSize size{config_.geometry.width, config_.decoder_layers, config_.decoder_heads,
                         config_.decoder_inner};
  return at_once(encoder_cost(geometry(), pass, dtype, /*table_alone=*/true),
                 decoder_cost(size, pass, dtype));
}

const Register<Backbone> here{
    "bart", "BART, an encoder and a decoder (Lewis et al. 2020)", [](const std::string& config) {
      return std::make_unique<Bart>(BartConfig::parse(ModelConfig(config)));
    }};

}  // namespace
}  // namespace metaloom
