// What the positions of a batch see of each other, by how far a layer reaches: made once for all
// layers that reach as far and have as many prompt rows.
// Legend: R rows, L text positions, K positions with prompt rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "models/layers/encoder_stack.h"
#include "models/past.h"

namespace metaloom {

class Sights {
 public:
  /// token_RL: 1 at tokens, 0 at padding, in the states' dtype.
  Sights(const Tokens& batch, at::Tensor token_RL);

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

/// What all see of a memory: the tokens of the text whose states it is. queries: who looks.
Sight sight_of_memory(const Tokens& text, at::ScalarType dtype, std::int64_t queries);
/// What each of the pieces `more` sees that follow those of a past: them and `more` up to itself,
/// as far as the causal `reach` has it.
Sight sight_after(const Past& past, const Tokens& more, at::ScalarType dtype,
                  const Reach& reach = {.causal = true});

}  // namespace metaloom
