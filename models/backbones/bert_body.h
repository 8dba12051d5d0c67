// BERT's body (Devlin et al. 2019): embeddings, post-LayerNorm layers and pooler, under Hugging
// Face's names without the prefix `bert.`. RoBERTa and others have the same under theirs.
// Legend: R rows, L text positions, D width.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "models/backbone.h"
#include "models/layers/encoder_config.h"
#include "models/layers/encoder_stack.h"
#include "models/layers/parameter_list.h"

namespace metaloom {

class BertBody {
 public:
  /// `first_position`: the row of the table of positions where a text begins; `config` tells how
  /// many positions a text may have from there on.
  explicit BertBody(EncoderConfig config, std::int64_t first_position = 0);

  const EncoderConfig& config() const { return config_; }
  void declare(ParameterList& list) const;
  at::Tensor encode(const Weights& weights, const Batch& batch,
                    const ForwardOptions& options) const;
  at::Tensor encode_below(const Weights& weights, const Batch& batch, int layer) const;
  /// tanh(W h) of the first position's states.
  static at::Tensor pooled(const Weights& weights, const at::Tensor& states_RD);

  /// The word table's name, without `.weight`: what a tied head reads.
  inline static const std::string kWords = "embeddings.word_embeddings";

 private:
  at::Tensor embed(const LayerContext& context, const Batch& batch,
                   const at::Tensor& soft_TPD) const;
  LayerContext context(const Weights& weights, Attention attention, Dropout dropout) const {
    return {weights,   config_.geometry.heads, config_.epsilon, config_.activation,
            attention, std::move(dropout)};
  }
  EncoderStack stack(const LayerContext& context) const;

  EncoderConfig config_;
  std::int64_t first_position_;
  std::vector<EncoderLayerNames> layers_;
};

}  // namespace metaloom
