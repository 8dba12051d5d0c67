#include "models/layers/encoder_layer.h"

#include <ATen/ATen.h>

#include <cmath>

namespace metaloom {

at::Tensor activate(Activation activation, const at::Tensor& x) {
  switch (activation) {
    case Activation::gelu:
      return at::gelu(x, "none");
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::relu:
      return at::relu(x);
  }
  return x;
}

at::Tensor kept(const at::Tensor& x_RKD, const at::Tensor& keep_R) {
  const std::int64_t rows = x_RKD.size(0);
  return x_RKD.gather(1, keep_R.view({rows, 1, 1}).expand({rows, 1, x_RKD.size(2)}));
}

at::Tensor attend(const LayerContext& context, int layer, const at::Tensor& q_RQD,
                  const at::Tensor& k_RKD, const at::Tensor& v_RKD, const at::Tensor& bias_R11K,
                  const at::Tensor& keep_R) {
  const std::int64_t depth = q_RQD.size(-1) / context.heads;
  const auto by_head = [&](const at::Tensor& x) {
    return x.view({x.size(0), x.size(1), context.heads, depth}).transpose(1, 2);
  };
  const at::Tensor q_RHQE = by_head(q_RQD), k_RHKE = by_head(k_RKD), v_RHKE = by_head(v_RKD);
  at::Tensor out_RHQE;
  if (context.attention == Attention::fused && !context.dropout.on()) {
    const std::optional<at::Tensor> bias =
        bias_R11K.defined() ? std::optional<at::Tensor>(bias_R11K) : std::nullopt;
    out_RHQE = at::scaled_dot_product_attention(q_RHQE, k_RHKE, v_RHKE, bias);
  } else {
    const double scale = 1.0 / std::sqrt(static_cast<double>(depth));
    at::Tensor scores_RHQK = at::matmul(q_RHQE * scale, k_RHKE.transpose(2, 3));
    if (bias_R11K.defined()) scores_RHQK = scores_RHQK + bias_R11K;
    const at::Tensor p_RHQK = context.dropout.probabilities(scores_RHQK.softmax(-1), layer, keep_R);
    out_RHQE = at::matmul(p_RHQK, v_RHKE);
  }
  return out_RHQE.transpose(1, 2).reshape(q_RQD.sizes());
}

at::Tensor encoder_layer(const LayerContext& context, int layer, const EncoderLayerNames& names,
                         const at::Tensor& x_RKD, const at::Tensor& bias_R11K,
                         const at::Tensor& keep_R) {
  const Weights& weights = context.weights;
  const std::int64_t positions = x_RKD.size(1);
  const auto dropped = [&](const at::Tensor& x, DropoutSite site) {
    return context.dropout.states(x, layer, site, positions, keep_R);
  };
  const at::Tensor x_RQD = keep_R.defined() ? kept(x_RKD, keep_R) : x_RKD;
  const at::Tensor attended_RQD =
      attend(context, layer, weights.linear(names.query, x_RQD), weights.linear(names.key, x_RKD),
             weights.linear(names.value, x_RKD), bias_R11K, keep_R);
  const at::Tensor mixed_RQD = weights.layer_norm(
      names.attended_norm,
      dropped(weights.linear(names.attended, attended_RQD), DropoutSite::attention) + x_RQD,
      context.epsilon);
  const at::Tensor inner_RQI = activate(context.activation, weights.linear(names.inner, mixed_RQD));
  return weights.layer_norm(
      names.outer_norm,
      dropped(weights.linear(names.outer, inner_RQI), DropoutSite::output) + mixed_RQD,
      context.epsilon);
}

}  // namespace metaloom
