// Seam: the part of a model that writes a text, piece after piece: the second half of an
// encoder-decoder, or all of a causal model. Asked of a backbone, which may have none.
// Laws (tests/models/decoder_laws_test.cpp): a piece sees nothing that comes later; a text that is
// read piece by piece has the states of one that is read at once.
// Legend: R rows, S positions of the text, L positions of the target, D width.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "models/backbone.h"
#include "models/past.h"

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
  /// The same, some pieces at a time: states [R, L, D] of `more`, which follow those that `past`
  /// holds; it holds `more`, too, afterwards. batch: the text that is the memory's. Neither
  /// prompts nor dropout, nor a first layer; soft tokens of `more` where the model has no encoder.
  virtual at::Tensor extend(const Weights& weights, const at::Tensor& memory_RSD,
                            const Batch& batch, const Batch& more, Past& past,
                            const ForwardOptions& options) const = 0;
  /// The piece that every target begins with, which is not written; none: a target begins with its
  /// text. (An id, not a role: T5 begins with its padding.)
  virtual std::optional<std::int64_t> first() const = 0;
};

/// batch.target, as a batch of its own.
Batch target_of(const Batch& batch);
/// Throws Error{internal} where the options of Decoder::extend ask for what it has not.
void check_extension(const Batch& more, const ForwardOptions& options);

}  // namespace metaloom
