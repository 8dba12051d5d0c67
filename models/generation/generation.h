// Writes texts with a backbone that has a decoder: piece after piece, each read once
// (models/past.h), the likeliest next (greedily) or by beam search (Graves 2012; length penalty of
// Wu et al. 2016, 7, as length^penalty). Legend: R rows, N pieces written.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "models/decoder.h"

namespace metaloom {

struct GenerationOptions {
  std::int64_t most = 20;                    // pieces of a text, its end counted
  std::int64_t least = 0;                    // pieces before which no text ends
  std::vector<std::int64_t> ends;            // pieces that end a text; none: it has `most`
  std::int64_t padding = 0;                  // what fills a row up behind its end
  std::optional<std::int64_t> forced_first;  // every text's first piece
  std::optional<std::int64_t> forced_last;   // the last one of a text that has not ended before
  std::int64_t no_repeat = 0;  // no n pieces follow each other twice, in text and written; 0: any

  std::int64_t beams = 1;     // texts of a row that are written side by side; 1: greedily
  double length_penalty = 1;  // of beams: log probabilities are divided by length^this
  /// When a row's beams are done: as many texts as beams have ended (`first`); or what is written
  /// cannot beat the worst of those any more, at the length it has (`likely`) or, where the penalty
  /// favours long texts, at any length (`never`).
  enum class Stop { first, likely, never };
  Stop stop = Stop::likely;
};

/// What is written for each text of the batch: neither the text nor what a target begins with; the
/// end counted. For every task's rows by its own weights. `forward`: soft tokens, prompts of an
/// encoder, the kind of attention. Nothing is differentiated.
/// Throws Error{data} where the backbone has no decoder, or fewer positions than that takes, or an
/// option is out of bounds.
Tokens generate(const Backbone& backbone, const Weights& weights, const Batch& batch,
                const GenerationOptions& options, const ForwardOptions& forward = {});

}  // namespace metaloom
