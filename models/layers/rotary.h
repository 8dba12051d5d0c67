// Rotary positions (Su et al. 2021): the two halves of a head's queries and keys are the
// coordinates of points that turn with the position, so that a score depends on how far apart two
// positions are. Prompt rows have no position and turn as the first one does: not at all. Legend: R
// rows, L text positions, Q positions computed, H heads, E width of a head, F = E / 2.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "core/json.h"
#include "models/layers/model_config.h"

namespace metaloom {

/// How a model's heads turn.
struct Rotary {
  /// Where a config says nothing of it.
  struct Otherwise {
    double theta = 10000;
    std::int64_t depth = 0;      // width of a head
    std::int64_t positions = 0;  // that a model was first trained for
  };

  at::Tensor frequency_F;  // fp32: radians per position
  double scale = 1;        // of what is turned: YaRN's temperature

  /// From a config's `rope_parameters` (null: none). Throws Error{data} naming the key: an unknown
  /// kind, a number that is missing or not positive, a head of odd width.
  static Rotary parse(const Json& given, const Otherwise& otherwise);
  /// From the keys of a model whose layers turn alike: rope_parameters, or rope_scaling and
  /// rope_theta as they were before transformers 5.
  static Rotary parse(const ModelConfig& config, std::int64_t depth);
};

/// The turns of a pass's positions, made once for all layers that turn alike.
class Turns {
 public:
  /// Of a text of `length` positions, in `like`'s dtype and place.
  Turns(const Rotary& rotary, std::int64_t length, const at::Tensor& like);
  /// Of these positions of each row, int64 [R, L].
  Turns(const Rotary& rotary, const at::Tensor& position_RL, const at::Tensor& like);

  /// Queries or keys x [R, H, prompts + L, E], turned; or, with keep_R, x [R, H, 1, E]: position
  /// keep_R[r], prompt rows counted.
  at::Tensor turned(const at::Tensor& x_RHQE, std::int64_t prompts, const at::Tensor& keep_R) const;

 private:
  at::Tensor cos_RLE_, sin_RLE_;  // R is 1 where all rows have the same positions
};

}  // namespace metaloom
