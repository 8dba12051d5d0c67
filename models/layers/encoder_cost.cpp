#include "models/layers/encoder_cost.h"

#include <algorithm>

namespace metaloom {

double kept_by_layers(const Pass& pass, double layers, double inside, double width) {
  if (!pass.recompute) return layers * inside;
  return layers * width + std::min(layers, 1.0) * inside;
}

Cost encoder_cost(const Backbone::Geometry& geometry, const Pass& pass, at::ScalarType dtype,
                  bool table_alone) {
  const double d = static_cast<double>(geometry.width);
  const double inner = static_cast<double>(geometry.inner);
  const double length = static_cast<double>(pass.length);
  const double tokens = static_cast<double>(pass.rows) * length;
  const double run = static_cast<double>(geometry.layers - pass.first_layer);
  const double states = static_cast<double>(pass.head_rows);
  const double ids = static_cast<double>(pass.head_ids);
  Cost cost;
  const double transform = table_alone ? 0 : d;  // the width that a head's first matrix makes
  cost.flops = tokens * run * (8 * d * d + 4 * d * inner + 4 * length * d) +
               2 * states * d * (transform + ids);
  // Kept for backward per token and layer: q, k, v, the attention's output, both sums and both
  // LayerNorms' outputs; the inner states before and after the activation; the scores' normaliser.
  const double kept_per_layer = 8 * d + 2 * inner + static_cast<double>(geometry.heads);
  cost.peak_bytes = static_cast<double>(c10::elementSize(dtype)) *
                    (tokens * (kept_by_layers(pass, run, kept_per_layer, d) + 3 * d) +
                     states * (d + 2 * transform + 2 * ids));
  return cost;
}

Cost decoder_cost(const DecoderSize& size, const Pass& pass, at::ScalarType dtype) {
  const double d = static_cast<double>(size.width), inner = static_cast<double>(size.inner);
  const double heads = static_cast<double>(size.heads), layers = static_cast<double>(size.layers);
  const double text = static_cast<double>(pass.length);
  const double target = pass.target_length > 0 ? static_cast<double>(pass.target_length) : text;
  const double rows = static_cast<double>(pass.rows);
  const double per_piece = 12 * d * d + 4 * d * inner + 4 * (target + text) * d;
  // As in an encoder's layer, and of the second attention: q, its output, the sum, the LayerNorm's
  // output and the normaliser per piece; k and v per state of the memory.
  const double kept_per_piece = 12 * d + 2 * inner + 2 * heads;
  Cost cost;
  cost.flops = rows * layers * (target * per_piece + text * 4 * d * d);
  cost.peak_bytes = static_cast<double>(c10::elementSize(dtype)) * rows *
                    (target * (kept_by_layers(pass, layers, kept_per_piece, d) + 3 * d) +
                     text * kept_by_layers(pass, layers, 2 * d, 0));
  return cost;
}

}  // namespace metaloom
