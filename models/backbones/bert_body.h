// BERT's body (Devlin et al. 2019): embeddings, post-LayerNorm layers and pooler, under Hugging
// Face's names without the prefix `bert.`. RoBERTa and others have the same, DistilBERT and ELECTRA
// with small changes.
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

/// What of a body differs from BERT's.
struct BodyKind {
  std::int64_t first_position = 0;  // the row of the table of positions where a text begins; the
                                    // config tells how many positions a text has from there on
  std::string layers = "encoder.layer.";
  EncoderLayerNames layer = {.query = "attention.self.query",
                             .key = "attention.self.key",
                             .value = "attention.self.value",
                             .attended = "attention.output.dense",
                             .attended_norm = "attention.output.LayerNorm",
                             .inner = "intermediate.dense",
                             .outer = "output.dense",
                             .outer_norm = "output.LayerNorm"};
  std::int64_t embedding = 0;  // width of the embeddings, which "embeddings_project" makes the
                               // layers' (ELECTRA); 0: they have it
};

class BertBody {
 public:
  explicit BertBody(EncoderConfig config, BodyKind kind = {});

  const EncoderConfig& config() const { return config_; }
  void declare(ParameterList& list) const;
  at::Tensor encode(const Weights& weights, const Batch& batch,
                    const ForwardOptions& options) const;
  at::Tensor encode_below(const Weights& weights, const Batch& batch, int layer) const;
  /// Width of the word table.
  std::int64_t embedding() const {
    return kind_.embedding > 0 ? kind_.embedding : config_.geometry.width;
  }

  /// The word table's name, without `.weight`: what a tied head reads.
  inline static const std::string kWords = "embeddings.word_embeddings";

 private:
  at::Tensor embed(const LayerContext& context, const Batch& batch,
                   const at::Tensor& soft_TPD) const;
  EncoderStack stack(const LayerContext& context) const;

  EncoderConfig config_;
  BodyKind kind_;
  std::vector<EncoderLayerNames> layers_;
};

}  // namespace metaloom
