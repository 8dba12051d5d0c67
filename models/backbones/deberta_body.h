// DeBERTa's body in its second and third version (He et al. 2021): embeddings that may know no
// positions, post-LayerNorm layers with disentangled attention, a convolution beside the first of
// them, under Hugging Face's names without the prefix `deberta.`.
// Legend: R rows, L text positions, K positions with prompt rows, D width.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "models/backbone.h"
#include "models/layers/disentangled.h"
#include "models/layers/encoder_config.h"
#include "models/layers/encoder_stack.h"
#include "models/layers/parameter_list.h"

namespace metaloom {

/// The convolution over the text's embeddings that is added to the first layer's states.
struct DebertaConvolution {
  std::int64_t kernel = 0;  // positions that it sees, an odd number; 0: there is none
  std::int64_t groups = 1;
  Activation activation = Activation::tanh;
};

struct DebertaConfig {
  EncoderConfig encoder;
  std::int64_t embedding = 0;    // width of the word table
  bool absolute = true;          // positions are embedded, too
  Disentangled distances;        // none: attention knows no positions
  bool own_projections = true;   // of distances; otherwise those of queries and keys
  bool normal_distances = true;  // the table of distances goes through a LayerNorm
  DebertaConvolution convolution;

  /// Throws Error{data} naming the key that is missing, out of bounds or not supported.
  static DebertaConfig parse(const ModelConfig& config);
};

class DebertaBody {
 public:
  explicit DebertaBody(DebertaConfig config);

  const DebertaConfig& config() const { return config_; }
  void declare(ParameterList& list) const;
  at::Tensor encode(const Weights& weights, const Batch& batch,
                    const ForwardOptions& options) const;
  at::Tensor encode_below(const Weights& weights, const Batch& batch, int layer) const;
  Cost cost(const Pass& pass, at::ScalarType dtype) const;

  /// The word table's name, without `.weight`: what a tied head reads.
  inline static const std::string kWords = "embeddings.word_embeddings";

 private:
  /// What the layers of one pass share. Beside: the whole table of distances of each task,
  /// normalised where the model does so.
  struct Shared {
    LayerContext context;
    Distances distances;
  };
  Shared shared_by(const Weights& weights, const Batch& batch, Attention attention,
                   Dropout dropout) const;
  at::Tensor embed(const Shared& shared, const Batch& batch, const at::Tensor& soft_TPD) const;
  at::Tensor near(const Shared& shared, int layer, const std::string& own,
                  const std::string& content) const;
  at::Tensor attended(const Shared& shared, int layer, const at::Tensor& x_RKD, const Sight& sight,
                      const at::Tensor& keep_R) const;
  at::Tensor convolved(const Shared& shared, const at::Tensor& x_RKD, const at::Tensor& out_RQD,
                       std::int64_t prompts, const at::Tensor& keep_R) const;
  EncoderStack stack(const Shared& shared) const;

  DebertaConfig config_;
  std::vector<EncoderLayerNames> layers_;
};

}  // namespace metaloom
