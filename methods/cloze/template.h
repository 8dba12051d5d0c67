// Turns examples into what the model sees: text and pair as its backbone frames them, or a template
// with soft tokens and a mask. Template words are separated by single spaces: "{text}" (and
// "{pair}") is replaced by the row's pieces, "<soft:8>" by 8 soft tokens, "[MASK]" or "{mask}" by
// the model's mask, whatever it is called there; everything else is looked up in the vocabulary,
// with the space before it where something stands before it. A model that is read at the next
// token answers behind the template's last word ("{text} The topic is") and wants no mask.
#pragma once

#include <string>
#include <vector>

#include "methods/cloze/framed_row.h"
#include "models/pretrained.h"
#include "sampler/task.h"

namespace metaloom {

/// The soft tokens of a template in theta, [P, D].
inline constexpr const char* kSoftPrompt = "prompt.soft";

class Template {
 public:
  /// Throws Error{usage}: no {text}, not exactly one [MASK] (or one at all, where the model is read
  /// at the next token), a word that the vocabulary does not know, or more template tokens than
  /// `max_length` leaves room for text. The batches' read_at is where the template is answered.
  Template(const std::string& words, const Pretrained& pretrained, std::int64_t max_length);
  /// The frame without words, as the backbone wants a text and its pair. The batches' read_at is
  /// the position that stands for a row.
  static Template plain(const Pretrained& pretrained, std::int64_t max_length);

  /// A default template as this model takes it: up to its [MASK], where the next word is the
  /// answer.
  static std::string usual(const std::string& words, const Pretrained& pretrained);

  std::int64_t soft_tokens() const { return soft_tokens_; }
  /// Whether nothing stands before the label word: tokenizers that keep spaces cut it then as a
  /// text's first.
  bool answer_begins() const { return answer_begins_; }
  /// Tokens of the frame, special pieces included, text not.
  std::int64_t frame_tokens() const;
  /// Whether a piece is one of those that the backbone frames rows with.
  bool is_frame(std::int64_t piece) const;
  /// How long each row becomes, at most.
  std::vector<std::int64_t> row_tokens(const std::vector<Example>& rows) const;
  /// Frames examples of `tasks` equally sized groups of rows. Texts are cut from the right to fit
  /// max_length, the longer one first, to half of the room; every row is padded to the longest of
  /// the batch. A row without a pair has nothing between the two either.
  Batch frame(const std::vector<const Example*>& rows, std::int64_t tasks) const;
  /// Multiple choice: one row per candidate, context first, choice as the second segment.
  Batch frame_choices(const std::vector<const Example*>& rows, std::int64_t tasks) const;

 private:
  struct Piece {
    enum Kind { word, text, pair, soft, mask } kind;
    std::int32_t id = 0;
    bool with_pair = false;  // left out of rows without a pair
  };
  Template(const Pretrained& pretrained, std::int64_t max_length);
  std::int32_t id_of(Special role) const;
  std::vector<Piece> specials(const std::vector<Special>& roles) const;
  void add_word(const std::string& word, const std::string& words);
  void check(const std::string& words) const;
  /// Puts the backbone's frame around the pieces; marks what stands there for the pair's sake.
  void close();
  FramedRow frame_row(const Example& row) const;

  const Tokenizer* tokenizer_;
  Framing framing_;
  ReadAt read_at_ = ReadAt::first;
  std::vector<Piece> pieces_;
  std::int64_t max_length_ = 0, soft_tokens_ = 0;
  bool answer_begins_ = false;
};

}  // namespace metaloom
