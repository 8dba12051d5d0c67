// The word pieces of a tokenizer, for templates, label words and readable output. Texts come as ids
// from the token store.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace metaloom {

/// Word pieces and special tokens of a WordPiece vocabulary.
class Vocabulary {
 public:
  /// Throws Error{data} if [PAD], [UNK], [CLS], [SEP] or [MASK] is missing or a piece stands twice.
  explicit Vocabulary(std::vector<std::string> pieces, bool lower_case = true);
  Vocabulary(Vocabulary&&) = default;  // ids_ points into pieces_, which a move keeps in place
  Vocabulary(const Vocabulary&) = delete;

  std::int64_t size() const { return static_cast<std::int64_t>(pieces_.size()); }
  /// The id of a whole piece, or -1.
  std::int32_t find(std::string_view piece) const;
  const std::string& piece(std::int64_t id) const { return pieces_.at(id); }
  /// Word pieces of words separated by spaces: ASCII letters lower-cased (if the model is), ASCII
  /// punctuation apart, longest match first; special tokens stand for themselves; a word without
  /// pieces is [UNK]. For templates and label words; texts come from the token store.
  std::vector<std::int32_t> pieces_of(std::string_view words) const;
  /// Readable text of ids: continuation pieces joined, padding left out. Throws Error{internal} on
  /// an id outside the vocabulary.
  std::string words_of(const std::vector<std::int64_t>& ids) const;
  std::int32_t pad() const { return pad_; }
  std::int32_t unknown() const { return unknown_; }
  std::int32_t cls() const { return cls_; }
  std::int32_t sep() const { return sep_; }
  std::int32_t mask() const { return mask_; }

 private:
  void add_token(std::string_view token, std::vector<std::int32_t>& out) const;
  void add_word(std::string_view word, std::vector<std::int32_t>& out) const;

  std::vector<std::string> pieces_;
  std::unordered_map<std::string_view, std::int32_t> ids_;
  std::size_t longest_ = 0;
  bool lower_case_ = true;
  std::int32_t pad_, unknown_, cls_, sep_, mask_;
};

}  // namespace metaloom
