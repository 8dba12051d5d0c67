// What a pass costs through layers with a gated feed-forward block (Shazeer 2020), whose keys may
// have fewer heads than their queries, and through a head behind them.
#pragma once

#include <c10/core/ScalarType.h>

#include "models/backbone.h"

namespace metaloom {

struct GatedWidths {
  std::int64_t queries = 0, keys = 0;  // of all heads together
  bool head_dense = false;             // whether the head has a matrix before the word table
};

/// 4 d (q + k) + 4 L q + 6 d i FLOPs per token and layer, and 2 d ids per state of the head, with
/// its matrix 2 d (d + ids). A window saves nothing: what it hides is computed.
Cost gated_cost(const Backbone::Geometry& geometry, const GatedWidths& widths, const Pass& pass,
                at::ScalarType dtype);

}  // namespace metaloom
