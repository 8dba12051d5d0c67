// Beam search over what a Writing says: the beams of each row, and the texts of it that have ended.
// Legend: N rows at work, C candidates of a row.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "models/generation/generation.h"

namespace metaloom {

/// The beams of one row.
class Beams {
 public:
  struct Candidate {
    float score = 0;  // the text's log probability with this piece
    std::int64_t beam = 0, id = 0;
  };
  struct Text {
    std::vector<std::int64_t> ids;
    float score = 0;
  };

  explicit Beams(const GenerationOptions& options);

  /// So many candidates of a row are looked at: so many that enough of them do not end a text.
  static std::int64_t candidates(const GenerationOptions& options);

  /// Takes the likeliest candidates, the best first; text_of(beam): what it has written before.
  void take(std::span<const Candidate> best, std::int64_t written,
            const std::function<std::vector<std::int64_t>(std::int64_t)>& text_of);

  /// The beams that are written on: which one each goes on from, and its piece.
  const std::vector<Candidate>& running() const { return running_; }
  bool done() const { return done_; }
  /// The best text that has ended; with none the best that has not.
  Text best() const;

 private:
  bool ends(const Candidate& candidate, std::int64_t length) const;
  bool full() const { return ended_.size() == static_cast<std::size_t>(options_.beams); }
  void finish(Text text, std::int64_t length);
  bool may_improve(std::int64_t length) const;

  const GenerationOptions& options_;
  std::vector<Candidate> running_;
  std::vector<Text> ended_;  // the best first, scores with the penalty
  Text longest_;
  bool done_ = false;
};

}  // namespace metaloom
