// Seam: a tokenizer as a running program needs it: the pieces of template words and label words,
// and readable text of ids. Whole texts come as ids from the token store, which Python made with
// the same tokenizer.json. Found by the kind that tokenizer.json names (its model's "type").
// Laws (tests/models/tokenizer_laws_test.cpp): a piece and its id name each other; roles are
// distinct pieces that stand for themselves; words of the vocabulary read back as written.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace metaloom {

/// What a special piece is for. Everything but its tokenizer asks by role, never by spelling.
enum class Special {
  begin,    // stands before a text, where a model wants that: [CLS], <s>
  end,      // ends a text and parts two: [SEP], </s>
  mask,     // stands for a hidden piece
  pad,      // fills a row up
  unknown,  // stands for what has no piece
};

constexpr std::array<std::string_view, 5> words_of(Special) {
  return {"begin", "end", "mask", "padding", "unknown"};
}

class Tokenizer {
 public:
  static constexpr const char* kSeam = "tokenizer";
  /// `pieces` by id, padding rows of the word table included; `json`: tokenizer.json without
  /// its table of pieces.
  /// Throws Error{data} where a piece that the kind cannot do without is missing.
  using Factory = std::function<std::unique_ptr<Tokenizer>(std::vector<std::string> pieces,
                                                           const std::string& json)>;
  /// What stands before the words: a tokenizer that keeps spaces in its pieces has others for
  /// "great" and " great". `nothing` is how a text begins, where some put a space of their own;
  /// `space` puts none before a special piece, or before another space.
  enum class Before { nothing, space };
  /// How the special pieces are spelled; empty: there is none of this role.
  struct Spelling {
    std::string begin, end, mask, pad, unknown;
  };

  virtual ~Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;

  std::int64_t size() const { return static_cast<std::int64_t>(pieces_.size()); }
  /// The id of a whole piece, or -1.
  std::int32_t find(std::string_view piece) const;
  const std::string& piece(std::int64_t id) const { return pieces_.at(id); }
  /// The id of the piece that has this role, or -1 where the tokenizer has none.
  std::int32_t special(Special role) const { return specials_[static_cast<std::size_t>(role)]; }

  /// The pieces of words separated by spaces, as tools/data/tokens.py would give them. Special
  /// pieces stand for themselves; a word without pieces is `unknown`.
  virtual std::vector<std::int32_t> pieces_of(std::string_view words,
                                              Before before = Before::space) const = 0;
  /// Readable text of ids, padding left out. Throws Error{internal} on an id that is none.
  virtual std::string words_of(const std::vector<std::int64_t>& ids) const = 0;

 protected:
  /// Throws Error{data} where a piece stands twice, or a special one that is spelled is missing.
  Tokenizer(std::vector<std::string> pieces, const Spelling& specials);
  /// The piece of `id`. Throws Error{internal} on an id that is none.
  const std::string& known_piece(std::int64_t id) const;
  /// Bytes of the longest piece.
  std::size_t longest() const { return longest_; }

 private:
  std::vector<std::string> pieces_;
  std::unordered_map<std::string_view, std::int32_t> ids_;  // keys point into pieces_
  std::size_t longest_ = 0;
  std::int32_t specials_[5];
};

/// The tokenizer that `json`, a tokenizer.json found in `origin`, describes. Throws Error{data} on
/// text that is no such file, or of a kind that is not known.
std::unique_ptr<Tokenizer> tokenizer_of(std::vector<std::string> pieces, const std::string& json,
                                        const std::string& origin);

}  // namespace metaloom
