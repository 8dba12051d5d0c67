// Llama (Touvron et al. 2023) and its relatives as one class that is told how they differ: causal
// layers with RMSNorm before each half, rotary positions, grouped queries and SwiGLU, under Hugging
// Face's names without the prefix `model.`.
// Legend: R rows, L text positions, D width.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "models/decoder.h"
#include "models/layers/encoder_stack.h"
#include "models/layers/model_config.h"
#include "models/layers/rotary.h"

namespace metaloom {

struct LlamaKind {
  /// Where a config does not say it; 0: as Llama has it.
  struct Otherwise {
    std::int64_t key_heads = 0;  // Llama: as many as queries' heads
    std::int64_t depth = 0;      // Llama: a head's part of the layers' width
  };

  Backbone::Geometry geometry;
  std::int64_t key_heads = 1;  // each for as many queries' heads
  std::int64_t depth = 1;      // width of a head
  double epsilon = 1e-6;       // of every RMSNorm
  Activation activation = Activation::silu;
  Rotary rotary;
  bool qkv_bias = false, attended_bias = false, mlp_bias = false;
  bool head_norms = false;            // an RMSNorm for each head's queries, and one for its keys
  bool tied = false;                  // the word table is the head's matrix
  bool begins = true;                 // a text begins with a special piece
  std::vector<std::int64_t> windows;  // of each layer: how many positions it sees, itself counted;
                                      // 0: all before it

  /// The keys that all of them have; no biases, no windows. Throws Error{data} naming the key.
  static LlamaKind parse(const ModelConfig& config, const Otherwise& otherwise);
  /// Qwen's windows: of the layers that `layer_types` names, or of those from max_window_layers on.
  void see_windows_of(const ModelConfig& config);
};

class LlamaLike final : public Backbone, public Decoder {
 public:
  explicit LlamaLike(LlamaKind kind) : kind_(std::move(kind)) {}

  Geometry geometry() const override { return kind_.geometry; }
  using Backbone::parameters;
  std::vector<Parameter> parameters() const override;
  Framing framing() const override;
  HubLayout hub_layout() const override;
  at::Tensor encode(const Weights& weights, const Batch& batch,
                    const ForwardOptions& options) const override;
  at::Tensor encode_below(const Weights& weights, const Batch& batch, int layer) const override;
  at::Tensor pooled(const Weights& weights, const at::Tensor& states_RD) const override;
  at::Tensor word_logits(const Weights& weights, const at::Tensor& states_ND,
                         const at::Tensor& ids) const override;
  std::string word_table() const override;
  std::vector<std::string> word_rows() const override;
  Cost cost(const Pass& pass, at::ScalarType dtype) const override;

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
  Reach reach(int n) const;
  at::Tensor embed(const LayerContext& context, const Batch& batch,
                   const at::Tensor& soft_TPD) const;
  at::Tensor layer(const LayerContext& context, const Turns& turns, int n, const at::Tensor& x_RKD,
                   const Sight& sight, const at::Tensor& keep_R) const;
  EncoderStack stack(const LayerContext& context, const Turns& turns) const;

  LlamaKind kind_;
};

}  // namespace metaloom
