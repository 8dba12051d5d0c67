// What a pass through layers with full attention costs, and through a tied head behind it.
#pragma once

#include <c10/core/ScalarType.h>

#include "models/backbone.h"

namespace metaloom {

/// Numbers that so many layers keep for backward per position, where one keeps `inside` of its own;
/// with pass.recompute: `width` for each, the states that go in, and the inside of the one at work.
double kept_by_layers(const Pass& pass, double layers, double inside, double width);

/// 8 d^2 + 4 d i + 4 L d FLOPs per token and layer (24 d^2 + 4 L d where the inner width i is 4 d),
/// and 2 d (d + ids) per state of the head, 2 d ids of one that is the word table alone.
Cost encoder_cost(const Backbone::Geometry& geometry, const Pass& pass, at::ScalarType dtype,
                  bool table_alone = false);

/// The layers of a decoder over target_length positions, which see a memory of `length`: those of
/// an encoder and 4 d^2 + 4 L d FLOPs per piece and layer more, 4 d^2 per state of the memory.
struct DecoderSize {
  std::int64_t width = 0, layers = 0, heads = 0, inner = 0;
};
Cost decoder_cost(const DecoderSize& size, const Pass& pass, at::ScalarType dtype);

}  // namespace metaloom
