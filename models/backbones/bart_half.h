// One half of BART (Lewis et al. 2020): the encoder or the decoder, embeddings and layers.
// Legend: R rows, S positions of the text, L positions read, D width.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "models/backbone.h"
#include "models/layers/encoder_layer.h"
#include "models/layers/model_config.h"
#include "models/layers/parameter_list.h"
#include "models/layers/sights.h"

namespace metaloom {

struct BartConfig {
  Backbone::Geometry geometry;  // layers, heads and inner width: the encoder's
  std::int64_t decoder_layers = 0, decoder_heads = 0, decoder_inner = 0;
  double scale = 1;        // of the words' embeddings
  std::int64_t first = 2;  // the piece that every target begins with
  Activation activation = Activation::gelu;

  /// Throws Error{data} naming the key: missing, out of bounds, or of what BART cannot be here.
  static BartConfig parse(const ModelConfig& config);
};

class BartHalf {
 public:
  enum class Side { encoder, decoder };
  BartHalf(const BartConfig& config, Side side);

  void declare(ParameterList& list) const;
  /// States [R, L, D] after the last layer, [R, D] with options.keep_R. The decoder looks at
  /// `memory`.
  at::Tensor run(const LayerContext& context, const Batch& batch, const ForwardOptions& options,
                 const Memory& memory = {}) const;
  at::Tensor run_below(const LayerContext& context, const Batch& batch, int layer) const;
  /// The decoder's states of `more`, which follows what context.past holds.
  at::Tensor extend(const LayerContext& context, const Batch& more, const at::Tensor& soft_TPD,
                    const Memory& memory) const;

  /// The word table's name, without `.weight`.
  inline static const std::string kWords = "shared";

 private:
  at::Tensor words(const LayerContext& context, const Batch& batch,
                   const at::Tensor& soft_TPD) const;
  at::Tensor embed(const LayerContext& context, const Batch& batch,
                   const at::Tensor& soft_TPD) const;
  at::Tensor layer(const LayerContext& context, int n, const at::Tensor& x_RKD, const Sight& sight,
                   const Memory& memory, const at::Tensor& keep_R) const;
  EncoderStack stack(const LayerContext& context, const Memory& memory) const;

  BartConfig config_;
  Side side_;
  std::string name_;     // what the names of its parameters begin with
  int first_layer_ = 0;  // the number of its first layer: dropout is drawn by it
  std::int64_t inner_ = 0;
  EncoderLayerShape shape_;
  std::vector<DecoderLayerNames> layers_;
};

}  // namespace metaloom
