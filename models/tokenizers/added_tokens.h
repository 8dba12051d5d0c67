// Pieces that stand for themselves wherever a text spells them ("added_tokens" of tokenizer.json):
// found before, or after, the text between them is normalised, as each of them says.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "models/tokenizers/normalizer.h"

namespace metaloom {

class AddedTokens {
 public:
  /// Either a piece, or normalised text, which is not empty.
  struct Part {
    std::int32_t id = -1;  // -1: `text` is to be cut
    std::string text;
    bool beginning = false;  // the text begins with the first character of the whole
  };

  /// `settings`: tokenizer.json. Throws Error{data} on what it says that is not known.
  explicit AddedTokens(const Json& settings);

  std::vector<Part> parts(std::string_view text) const;
  /// Whether a space must be put before words that follow others: not before a special piece or
  /// another space, and not where the tokenizer puts one itself.
  bool lacks_space(std::string_view words) const;
  const std::string* spelling(std::int32_t id) const;

 private:
  struct Token {
    std::int32_t id;
    std::string content;
    bool strips_left, strips_right, special, whole_words;
  };
  struct Spelled {
    std::string text;  // as it is looked for
    std::size_t token;
  };
  /// By the first byte; the longest first.
  using Index = std::array<std::vector<Spelled>, 256>;

  /// As a normalised text spells the piece.
  std::string as_found(const std::string& content) const;
  static void add(std::string text, std::size_t token, Index& index);
  static const Spelled* longest_at(std::string_view text, std::size_t at, const Index& index);
  std::vector<Part> split(std::string_view text, const Index& index, bool beginning) const;

  std::vector<Token> tokens_;
  Index written_, normalised_;
  Normalizer normalizer_;
};

/// The words, with a space before them if they want one.
std::string with_space(std::string_view words, bool space, const AddedTokens& tokens);

}  // namespace metaloom
