#include "models/layers/encoder_layer.h"

#include <ATen/ATen.h>

namespace metaloom {
namespace {

// A layer at work: of `positions` there are, those of keep_R are computed, or all.
struct Work {
  const LayerContext& context;
  const EncoderLayerShape& shape;
  int layer;
  std::int64_t positions;
  const at::Tensor& keep_R;

  // Keys and values of what a layer looks at.
  Past::Heads seen_in(const EncoderLayerNames& names, const at::Tensor& states_RKD) const {
    // The order of values, keys and queries is that in which backward adds up their gradients.
    const at::Tensor v_RHKE = by_head(context.weights.linear(names.value, states_RKD), shape.heads);
    return {by_head(context.weights.linear(names.key, states_RKD), shape.heads), v_RHKE};
  }
  // Attention to them, its sum with x and LayerNorm.
  at::Tensor attended(const EncoderLayerNames& names, const at::Tensor& x_RQD,
                      const Past::Heads& seen, const Sight& sight) const {
    const at::Tensor q_RHQE = by_head(context.weights.linear(names.query, x_RQD), shape.heads);
    const at::Tensor attended_RQD =
        attend(context, layer, q_RHQE, seen.k_RHKE, seen.v_RHKE, sight, keep_R);
    return summed(names.attended, names.attended_norm, attended_RQD, DropoutSite::attention, x_RQD);
  }
  at::Tensor fed_forward(const EncoderLayerNames& names, const at::Tensor& x_RQD) const {
    const at::Tensor inner_RQI =
        activate(shape.activation, context.weights.linear(names.inner, x_RQD));
    return summed(names.outer, names.outer_norm, inner_RQI, DropoutSite::output, x_RQD);
  }
  at::Tensor summed(const std::string& dense, const std::string& norm, const at::Tensor& part_RQI,
                    DropoutSite site, const at::Tensor& x_RQD) const {
    const at::Tensor part_RQD = context.dropout.states(context.weights.linear(dense, part_RQI),
                                                       layer, site, positions, keep_R);
    return context.weights.layer_norm(norm, part_RQD + x_RQD, shape.epsilon);
  }
};

}  // namespace

at::Tensor encoder_layer(const LayerContext& context, const EncoderLayerShape& shape, int layer,
                         const EncoderLayerNames& names, const at::Tensor& x_RKD,
                         const Sight& sight, const at::Tensor& keep_R) {
  const Work work{context, shape, layer, x_RKD.size(1), keep_R};
  const at::Tensor x_RQD = keep_R.defined() ? kept(x_RKD, keep_R) : x_RKD;
  return work.fed_forward(names, work.attended(names, x_RQD, work.seen_in(names, x_RKD), sight));
}

at::Tensor decoder_layer(const LayerContext& context, const EncoderLayerShape& shape, int layer,
                         const DecoderLayerNames& names, const at::Tensor& x_RKD,
                         const Sight& sight, const Memory& memory, const at::Tensor& keep_R) {
  const Work work{context, shape, layer, x_RKD.size(1), keep_R};
  const Work cross{context, shape, layer + memory.further_layers, x_RKD.size(1), keep_R};
  const at::Tensor x_RQD = keep_R.defined() ? kept(x_RKD, keep_R) : x_RKD;
  Past::Heads own = work.seen_in(names.own, x_RKD);
  if (context.past != nullptr) own = context.past->joined(layer, own);
  const at::Tensor own_RQD = work.attended(names.own, x_RQD, own, sight);
  const auto make = [&] { return cross.seen_in(names.cross, memory.states_RSD); };
  const Past::Heads text = context.past != nullptr ? context.past->of_memory(layer, make) : make();
  return work.fed_forward(names.own, cross.attended(names.cross, own_RQD, text, memory.sight));
}

at::Tensor encoder_layer_by(const LayerContext& context, const EncoderLayerShape& shape, int layer,
                            const EncoderLayerNames& names, const at::Tensor& x_RKD,
                            const at::Tensor& attended_RQD, const at::Tensor& keep_R) {
  const Work work{context, shape, layer, x_RKD.size(1), keep_R};
  const at::Tensor x_RQD = keep_R.defined() ? kept(x_RKD, keep_R) : x_RKD;
  return work.fed_forward(names, work.summed(names.attended, names.attended_norm, attended_RQD,
                                             DropoutSite::attention, x_RQD));
}

}  // namespace metaloom
