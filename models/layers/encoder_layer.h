// One layer of a post-LayerNorm transformer (Vaswani et al. 2017): of an encoder (BERT, RoBERTa,
// BART's) or a decoder (BART's), as pure functions of weights and states. Owns nothing.
// Legend: R rows, K positions (prompt rows first), Q positions computed, S positions of a memory, D
// width, H heads.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "models/layers/activation.h"
#include "models/layers/attention.h"

namespace metaloom {

/// The names of a layer's parameters, as its model calls them.
struct EncoderLayerNames {
  std::string query, key, value, attended, attended_norm;  // attention and what follows it
  std::string inner, outer, outer_norm;                    // feed-forward
};

/// What the layers of a model have in common.
struct EncoderLayerShape {
  std::int64_t heads = 1;
  double epsilon = 1e-12;  // of every LayerNorm
  Activation activation = Activation::gelu;
};

/// The states [R, K, D] after layer `layer`. With keep_R only position keep_R[r] of each row is
/// computed beyond its keys and values: [R, 1, D].
at::Tensor encoder_layer(const LayerContext& context, const EncoderLayerShape& shape, int layer,
                         const EncoderLayerNames& names, const at::Tensor& x_RKD,
                         const Sight& sight, const at::Tensor& keep_R);

/// The text's states that a decoder looks at.
struct Memory {
  at::Tensor states_RSD;
  Sight sight;
  /// So many more than a layer's own is the number that its attention to the memory draws dropout
  /// by: no layer of the model has it.
  int further_layers = 0;
};

struct DecoderLayerNames {
  EncoderLayerNames own;    // attention among the decoder's positions, and feed-forward
  EncoderLayerNames cross;  // attention to the memory, and no feed-forward
};

/// A decoder's layer `layer`: as an encoder's, with attention to the memory before feed-forward.
at::Tensor decoder_layer(const LayerContext& context, const EncoderLayerShape& shape, int layer,
                         const DecoderLayerNames& names, const at::Tensor& x_RKD,
                         const Sight& sight, const Memory& memory, const at::Tensor& keep_R);
/// The rest of an encoder's layer, from what its attention found for the positions computed, [R, Q,
/// D].
at::Tensor encoder_layer_by(const LayerContext& context, const EncoderLayerShape& shape, int layer,
                            const EncoderLayerNames& names, const at::Tensor& x_RKD,
                            const at::Tensor& attended_RQD, const at::Tensor& keep_R);

}  // namespace metaloom
