// What a pass through an encoder with full attention costs, and through a tied head behind it.
#pragma once

#include <c10/core/ScalarType.h>

#include "models/backbone.h"

namespace metaloom {

/// 8 d^2 + 4 d i + 4 L d FLOPs per token and layer (24 d^2 + 4 L d where the inner width i is 4 d),
/// and 2 d (d + ids) per state of the head.
Cost encoder_cost(const Backbone::Geometry& geometry, const Pass& pass, at::ScalarType dtype);

}  // namespace metaloom
