#include "models/layers/encoder_layer.h"

#include <ATen/ATen.h>

namespace metaloom {

at::Tensor encoder_layer(const LayerContext& context, const EncoderLayerShape& shape, int layer,
                         const EncoderLayerNames& names, const at::Tensor& x_RKD,
                         const Sight& sight, const at::Tensor& keep_R) {
  const auto heads = [&](const std::string& name, const at::Tensor& x) {
    return by_head(context.weights.linear(name, x), shape.heads);
  };
  const at::Tensor x_RQD = keep_R.defined() ? kept(x_RKD, keep_R) : x_RKD;
  const at::Tensor attended_RQD =
      attend(context, layer, heads(names.query, x_RQD), heads(names.key, x_RKD),
             heads(names.value, x_RKD), sight, keep_R);
  return encoder_layer_by(context, shape, layer, names, x_RKD, attended_RQD, keep_R);
}

at::Tensor encoder_layer_by(const LayerContext& context, const EncoderLayerShape& shape, int layer,
                            const EncoderLayerNames& names, const at::Tensor& x_RKD,
                            const at::Tensor& attended_RQD, const at::Tensor& keep_R) {
  const Weights& weights = context.weights;
  const std::int64_t positions = x_RKD.size(1);
  const auto dropped = [&](const at::Tensor& x, DropoutSite site) {
    return context.dropout.states(x, layer, site, positions, keep_R);
  };
  const at::Tensor x_RQD = keep_R.defined() ? kept(x_RKD, keep_R) : x_RKD;
  const at::Tensor mixed_RQD = weights.layer_norm(
      names.attended_norm,
      dropped(weights.linear(names.attended, attended_RQD), DropoutSite::attention) + x_RQD,
      shape.epsilon);
  const at::Tensor inner_RQI = activate(shape.activation, weights.linear(names.inner, mixed_RQD));
  return weights.layer_norm(
      names.outer_norm,
      dropped(weights.linear(names.outer, inner_RQI), DropoutSite::output) + mixed_RQD,
      shape.epsilon);
}

}  // namespace metaloom
