// Disentangled attention (He et al. 2021, DeBERTa): scores of content on content, and of content on
// the distance between two positions, which stands in a table of embeddings; far distances share a
// row by their logarithm (section 3.1 and appendix A.5 of the paper).
// Legend: R rows, K positions (prompt rows first), Q positions computed, L text positions, N = 2 L
// distances of a text, D width, T tasks, S rows of a task, H heads, E width of a head.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "models/layers/attention.h"

namespace metaloom {

/// What a configuration says of distances.
struct Disentangled {
  bool content_to_position = false, position_to_content = false;
  std::int64_t terms = 0;    // of the two that the scores' scale counts
  std::int64_t reach = 0;    // distances that are told apart
  std::int64_t buckets = 0;  // that these are sorted into; 0: each is its own

  bool any() const { return content_to_position || position_to_content; }
  /// Rows of the table on either side of distance 0, which stands at row span().
  std::int64_t span() const { return buckets > 0 ? buckets : reach; }
};

/// The row of the table, 0..2 * span() - 1, for every distance of -length..length - 1, query minus
/// key: int64 on the CPU.
at::Tensor rows_of_distances(const Disentangled& kind, std::int64_t length);

/// The rows of a table of distances that all layers read for a text's positions.
struct Distances {
  std::int64_t first = 0;  // the text needs rows first..first + count - 1 of it
  std::int64_t count = 0;
  at::Tensor row_N;  // which one of these, for each distance

  Distances() = default;
  Distances(const Disentangled& kind, std::int64_t length, at::Device device);
};

/// The states of one layer that its scores are made of.
struct DisentangledStates {
  at::Tensor query_RQD, key_RKD;
  /// What the layer makes of each distance; undefined where the model does not.
  at::Tensor near_query_TND, near_key_TND;  // position-to-content, content-to-position
};

/// Scores [R, H, Q, K], scaled and not hidden yet. Prompt rows have no position: they score by
/// content alone. With keep_R, Q is 1: position keep_R[r] of each row, which is the text's.
at::Tensor disentangled_scores(const Disentangled& kind, const DisentangledStates& states,
                               std::int64_t heads, std::int64_t prompts, const at::Tensor& keep_R);

}  // namespace metaloom
