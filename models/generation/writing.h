// A model at work on some texts: scores of each one's next piece, given those that it was told.
// Legend: N rows at work (a text's beams side by side), V vocabulary.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "models/generation/generation.h"

namespace metaloom {

class Writing {
 public:
  /// One row a text. Keeps references to all but `batch`.
  Writing(const Backbone& backbone, const Weights& weights, const Batch& batch,
          const GenerationOptions& options, const ForwardOptions& forward);

  /// Of the next piece, [N, V] in fp32, as logits. Reads what `write` said since.
  at::Tensor logits();
  /// Scores of what no row may write set to -inf, and of what each must to 0, all others -inf.
  void constrain(at::Tensor& scores_NV) const;
  /// Every text `copies` times, side by side.
  void spread(std::int64_t copies);
  /// Row n goes on from what row from[n] holds, of the same text, with the piece ids[n].
  void write(const std::vector<std::int64_t>& from, const std::vector<std::int64_t>& ids);

  std::int64_t rows() const { return static_cast<std::int64_t>(read_.size()); }
  std::int64_t written() const { return written_; }
  /// The pieces that row n has written.
  std::vector<std::int64_t> text(std::int64_t n) const;

 private:
  void ban_repetition(at::Tensor& scores_NV) const;

  const Backbone& backbone_;
  const Decoder& decoder_;
  const Weights& weights_;
  const GenerationOptions& options_;
  Batch text_, more_;
  ForwardOptions extended_;
  at::Tensor memory_RSD_;
  Past past_;
  std::vector<std::vector<std::int64_t>> read_;  // of each row, what was told or written
  std::int64_t written_ = 0;
};

}  // namespace metaloom
