// What the positions of a batch see of each other, by how far a layer reaches: made once for all
// layers that reach as far and have as many prompt rows.
// Legend: R rows, L text positions, K positions with prompt rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "models/layers/encoder_stack.h"

namespace metaloom {

class Sights {
 public:
  /// token_RL: 1 at tokens, 0 at padding, in the states' dtype.
  Sights(const Batch& batch, at::Tensor token_RL);

  /// With keep_R (of the K positions) what those see: [R, 1, 1, K].
  Sight of(const Reach& reach, std::int64_t prompts, const at::Tensor& keep_R);

 private:
  struct Made {
    Reach reach;
    Sight sight;
  };
  at::Tensor key_bias(std::int64_t prompts) const;
  at::Tensor reach_bias(const Reach& reach, std::int64_t prompts) const;
  Sight make(const Reach& reach, std::int64_t prompts) const;

  at::Tensor token_RL_;
  bool padded_;
  std::vector<Made> made_;
};

}  // namespace metaloom
