// One layer of a post-LayerNorm transformer encoder (Vaswani et al. 2017, as in BERT, RoBERTa and
// BART's encoder), as a pure function of weights and states. Owns nothing.
// Legend: R rows, K positions (prompt rows first), Q positions computed, D width, H heads.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "models/backbone.h"
#include "models/layers/dropout.h"
#include "models/weights/weights.h"

namespace metaloom {

enum class Activation { gelu, gelu_tanh, relu };
at::Tensor activate(Activation activation, const at::Tensor& x);

/// The names of a layer's parameters, as its model calls them.
struct EncoderLayerNames {
  std::string query, key, value, attended, attended_norm;  // attention and what follows it
  std::string inner, outer, outer_norm;                    // feed-forward
};

/// What all layers of a forward pass share.
struct LayerContext {
  const Weights& weights;
  std::int64_t heads = 1;
  double epsilon = 1e-12;
  Activation activation = Activation::gelu;
  Attention attention = Attention::fused;
  Dropout dropout;
};

/// Scaled dot-product attention of q [R, Q, D] over k, v [R, K, D]: [R, Q, D]. bias_R11K is added
/// to the scores (-inf hides a key); undefined if every key is visible.
at::Tensor attend(const LayerContext& context, int layer, const at::Tensor& q_RQD,
                  const at::Tensor& k_RKD, const at::Tensor& v_RKD, const at::Tensor& bias_R11K,
                  const at::Tensor& keep_R);

/// The states [R, K, D] after layer `layer`. With keep_R only position keep_R[r] of each row is
/// computed beyond its keys and values: [R, 1, D].
at::Tensor encoder_layer(const LayerContext& context, int layer, const EncoderLayerNames& names,
                         const at::Tensor& x_RKD, const at::Tensor& bias_R11K,
                         const at::Tensor& keep_R);

/// Position keep_R[r] of each row of x [R, K, D]: [R, 1, D].
at::Tensor kept(const at::Tensor& x_RKD, const at::Tensor& keep_R);

}  // namespace metaloom
