#include "models/layers/gated_cost.h"

#include "models/layers/encoder_cost.h"

namespace metaloom {

Cost gated_cost(const Backbone::Geometry& geometry, const GatedWidths& widths, const Pass& pass,
                at::ScalarType dtype) {
  const double d = static_cast<double>(geometry.width);
  const double inner = static_cast<double>(geometry.inner);
  const double queries = static_cast<double>(widths.queries);
  const double keys = static_cast<double>(widths.keys);
  const double length = static_cast<double>(pass.length);
  const double tokens = static_cast<double>(pass.rows) * length;
  const double run = static_cast<double>(geometry.layers - pass.first_layer);
  const double states = static_cast<double>(pass.head_rows);
  const double ids = static_cast<double>(pass.head_ids);
  const double dense = widths.head_dense ? d : 0;
  Cost cost;
  cost.flops = tokens * run * (4 * d * (queries + keys) + 4 * length * queries + 6 * d * inner) +
               2 * states * d * (dense + ids);
  // Kept for backward per token and layer: both norms' outputs and both sums; q and k before and
  // after their turn, v, the attention's output; both inner halves, the activated one and the
  // product; the scores' normaliser.
  const double kept_per_layer =
      4 * d + 3 * (queries + keys) + 4 * inner + static_cast<double>(geometry.heads);
  cost.peak_bytes = static_cast<double>(c10::elementSize(dtype)) *
                    (tokens * (kept_by_layers(pass, run, kept_per_layer, d) + 2 * d) +
                     states * (3 * dense + d + 2 * ids));
  return cost;
}

}  // namespace metaloom
