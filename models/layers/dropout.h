// Dropout as a pure function of (stream of the task, layer, site, row, position): the masks do not
// depend on padding, on the other rows of the batch or on which positions are computed, so that a
// pack of T tasks drops what T packs of one drop, and every replay drops the same.
// Legend: R rows, Q positions computed, K positions there are, D width, H heads.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/rng.h"

namespace metaloom {

/// Where in a layer elements are dropped: Hugging Face's four places, and DeBERTa's two more. (The
/// embeddings count as layer -1.)
enum class DropoutSite { embeddings, probabilities, attention, output, relative, convolution };

class Dropout {
 public:
  /// Off: every call returns its argument.
  Dropout() = default;
  /// streams[t] is task t's; rows of a task are contiguous and equally many.
  Dropout(std::vector<Rng> streams, double rate) : streams_(std::move(streams)), rate_(rate) {}

  bool on() const { return !streams_.empty() && rate_ > 0; }
  /// x [R, K, D]; or, with keep_R, x [R, 1, D]: position keep_R[r] of `positions`.
  at::Tensor states(const at::Tensor& x_RQD, int layer, DropoutSite site, std::int64_t positions,
                    const at::Tensor& keep_R) const;
  /// Attention probabilities [R, H, queries, K]; or, with keep_R, [R, H, 1, K].
  at::Tensor probabilities(const at::Tensor& p_RHQK, int layer, std::int64_t queries,
                           const at::Tensor& keep_R) const;

 private:
  Rng stream(int layer, DropoutSite site, std::int64_t row, std::int64_t rows) const;

  std::vector<Rng> streams_;
  double rate_ = 0;
};

}  // namespace metaloom
