#include "models/layers/encoder_cost.h"

namespace metaloom {

Cost encoder_cost(const Backbone::Geometry& geometry, const Pass& pass, at::ScalarType dtype) {
  const double d = static_cast<double>(geometry.width);
  const double inner = static_cast<double>(geometry.inner);
  const double length = static_cast<double>(pass.length);
  const double tokens = static_cast<double>(pass.rows) * length;
  const double run = static_cast<double>(geometry.layers - pass.first_layer);
  const double states = static_cast<double>(pass.head_rows);
  const double ids = static_cast<double>(pass.head_ids);
  Cost cost;
  cost.flops =
      tokens * run * (8 * d * d + 4 * d * inner + 4 * length * d) + 2 * states * d * (d + ids);
  // Kept for backward per token and layer: q, k, v, the attention's output, both sums and both
  // LayerNorms' outputs; the inner states before and after the activation; the scores' normaliser.
  const double kept_per_layer = 8 * d + 2 * inner + static_cast<double>(geometry.heads);
  cost.peak_bytes = static_cast<double>(c10::elementSize(dtype)) *
                    (tokens * (run * kept_per_layer + 3 * d) + states * (3 * d + 2 * ids));
  return cost;
}

}  // namespace metaloom
