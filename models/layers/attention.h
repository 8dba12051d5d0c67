// Scaled dot-product attention of one layer, and what it may look at.
// Legend: R rows, K positions (prompt rows first), Q positions computed, D width, H heads, E width
// of a head.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "models/backbone.h"
#include "models/layers/dropout.h"
#include "models/past.h"
#include "models/weights/weights.h"

namespace metaloom {

/// What all layers of a forward pass share.
struct LayerContext {
  const Weights& weights;
  Attention attention = Attention::fused;
  Dropout dropout;
  Past* past = nullptr;                 // of pieces that are read after those that it holds
  std::vector<at::Tensor> beside = {};  // what every layer reads beside weights and its input
};

/// What the positions of a layer see of each other.
struct Sight {
  at::Tensor bias;      // added to scores, broadcast over [R, H, Q, K]: -inf hides; or undefined
  bool causal = false;  // position i sees 0..i alone; then bias is undefined
  std::int64_t prompts = 0;  // prompt rows, which stand first and have no position of their own
  std::int64_t queries = 0;  // who looks, computed or not; 0: as many as are seen
};

/// x [R, K, H * E] as [R, H, K, E].
at::Tensor by_head(const at::Tensor& x_RKD, std::int64_t heads);

/// Attention of q over k and v, [R, Q, H * E]. k and v may have fewer heads, each for as many of
/// q's (grouped queries, Ainslie et al. 2023). With keep_R, Q is 1: position keep_R[r] of each row.
at::Tensor attend(const LayerContext& context, int layer, const at::Tensor& q_RHQE,
                  const at::Tensor& k_RHKE, const at::Tensor& v_RHKE, const Sight& sight,
                  const at::Tensor& keep_R);
/// The second half of it, from scores [R, H, Q, K] that are scaled and not hidden yet.
at::Tensor attend_by(const LayerContext& context, int layer, const at::Tensor& scores_RHQK,
                     const at::Tensor& v_RHKE, const Sight& sight, const at::Tensor& keep_R);

/// Position keep_R[r] of each row of x [R, K, D]: [R, 1, D].
at::Tensor kept(const at::Tensor& x_RKD, const at::Tensor& keep_R);

}  // namespace metaloom
