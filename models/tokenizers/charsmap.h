// SentencePiece's rules of normalisation (tokenizer.json's "Precompiled" normalizer): texts and
// what they are replaced by, as a double-array trie (Aoe 1989, in the layout of darts-clone) and a
// pool of texts. Applied as the library `tokenizers` does it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace metaloom {

class Charsmap {
 public:
  /// Throws Error{data} on what is no such map.
  explicit Charsmap(std::string_view base64);

  std::string applied(std::string_view text) const;

 private:
  /// What the shortest beginning of `text` that has a rule is replaced by.
  std::optional<std::string_view> rule_for(std::string_view text) const;

  std::vector<std::uint32_t> units_;
  std::string texts_;  // each ended by a zero
};

}  // namespace metaloom
