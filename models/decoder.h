// Seam: the part of a model that writes a text, piece after piece: the second half of an
// encoder-decoder, or all of a causal model. Asked of a backbone, which may have none.
// Legend: R rows, S positions of the text, L positions of the target, D width.
#pragma once

#include <ATen/core/Tensor.h>

#include "models/backbone.h"

namespace metaloom {

class Decoder {
 public:
  virtual ~Decoder() = default;
  /// The text's states [R, S, D] that every position of the target sees: once for all pieces that
  /// are written. Undefined where the model has no encoder: the text is then the target's
  /// beginning.
  virtual at::Tensor memory(const Weights& weights, const Batch& batch,
                            const ForwardOptions& options) const = 0;
  /// States [R, L, D] of batch.target's pieces, each of which sees the memory and the target up to
  /// itself; [R, D] with keep_R. A state foretells the next piece: Backbone::word_logits.
  virtual at::Tensor decode(const Weights& weights, const at::Tensor& memory_RSD,
                            const Batch& batch, const ForwardOptions& options) const = 0;
  /// What the written text begins with, before its first piece.
  virtual Special first() const = 0;
};

}  // namespace metaloom
