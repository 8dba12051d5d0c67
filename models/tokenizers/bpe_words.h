// What a tokenizer of byte pairs joins pieces within ("pre_tokenizer" of tokenizer.json): words cut
// by a known pattern and written in letters for bytes (GPT-2, Llama 3, Qwen2), or the characters
// themselves, a space as a letter (Llama 2, Mistral).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "models/tokenizers/spaces.h"
#include "models/tokenizers/word_patterns.h"

namespace metaloom {

class BpeWords {
 public:
  /// Throws Error{data} on what is not known.
  explicit BpeWords(const Json& settings);

  /// The text in words, as pieces spell them. `beginning`: it begins the whole.
  std::vector<std::string> words_of(std::string_view text, bool beginning) const;
  /// What a piece stands for, in bytes.
  std::string read_back(std::string_view piece) const;

 private:
  void read_bytes(const Json& step);
  void read_pattern(const Json& step);

  bool of_bytes_ = false;
  bool begins_with_space_ = false;
  bool cuts_first_ = false;             // before a word gets the space that it begins with
  std::optional<WordPattern> pattern_;  // of bytes alone; without it a text is one word
  Spaces spaces_;
};

}  // namespace metaloom
