// Turns examples into what the model sees: `[CLS] text [SEP] (pair [SEP])`, or a template with
// soft tokens and a [MASK]. Template words are separated by single spaces: "{text}" (and
// "{pair}") is replaced by the row's word pieces, "<soft:8>" by 8 soft tokens, "[MASK]" stands
// for itself, everything else is looked up in the vocabulary.
#pragma once

#include <string>
#include <vector>

#include "models/pretrained.h"
#include "sampler/task.h"

namespace metaloom {

/// The soft tokens of a template in theta, [P, D].
inline constexpr const char* kSoftPrompt = "prompt.soft";

class Template {
 public:
  /// Throws Error{usage}: no {text}, not exactly one [MASK] where `needs_mask`, a word that the
  /// vocabulary does not know, or more template tokens than `max_length` leaves room for text.
  Template(const std::string& words, const Vocabulary& vocabulary, std::int64_t max_length,
           bool needs_mask);
  /// The frame without words: [CLS] text [SEP] pair [SEP].
  static Template plain(const Vocabulary& vocabulary, std::int64_t max_length);

  std::int64_t soft_tokens() const { return soft_tokens_; }
  /// Tokens of the frame, specials included, text not.
  std::int64_t frame_tokens() const;
  /// How long each row becomes, at most.
  std::vector<std::int64_t> row_tokens(const std::vector<Example>& rows) const;
  /// Frames examples of `tasks` equally sized groups of rows. Texts are cut from the right to fit
  /// max_length, the longer one first, to half of the room; every row is padded to the longest of
  /// the batch. A row without a pair has no [SEP] before it either. What follows a [SEP] has token
  /// type 1.
  Batch frame(const std::vector<const Example*>& rows, std::int64_t tasks) const;
  /// Multiple choice: one row per candidate, context first, choice as the second segment.
  Batch frame_choices(const std::vector<const Example*>& rows, std::int64_t tasks) const;

 private:
  struct Piece {
    enum Kind { word, text, pair, soft, mask } kind;
    std::int32_t id = 0;
  };
  Template() = default;
  std::vector<std::int32_t> frame_row(const Example& row, std::vector<std::int64_t>& segments,
                                      std::vector<std::int64_t>& slots, std::int64_t& mask) const;

  const Vocabulary* vocabulary_ = nullptr;
  std::vector<Piece> pieces_;
  std::int64_t max_length_ = 0, soft_tokens_ = 0;
};

}  // namespace metaloom
