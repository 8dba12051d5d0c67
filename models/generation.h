// Writes texts with a backbone that has a decoder: piece after piece, the likeliest first, each
// read once (models/past.h).
// Legend: R rows, N pieces written.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "models/decoder.h"

namespace metaloom {

struct GenerationOptions {
  std::int64_t most = 20;                    // pieces of a text, its end counted
  std::vector<std::int64_t> ends;            // pieces that end a text; none: it has `most`
  std::int64_t padding = 0;                  // what fills a row up behind its end
  std::optional<std::int64_t> forced_first;  // every text's first piece
  std::optional<std::int64_t> forced_last;   // the last one of a text that has not ended before
};

/// What is written for each text of the batch: neither the text nor what a target begins with; the
/// end counted. For every task's rows by its own weights. `forward`: soft tokens, prompts of an
/// encoder, the kind of attention. Nothing is differentiated.
/// Throws Error{data} where the backbone has no decoder, or fewer positions than that takes.
Tokens write_greedily(const Backbone& backbone, const Weights& weights, const Batch& batch,
                      const GenerationOptions& options, const ForwardOptions& forward = {});

}  // namespace metaloom
