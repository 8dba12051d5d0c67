// The regular expressions by which GPT-2, Llama 3 and Qwen2 cut a text into words, written out:
// each keeps what stands before a word with it, and leaves nothing out.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace metaloom {

enum class WordPattern {
  gpt2,    // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  llama3,  // endings in any case, signs before letters, three digits at most, line ends apart
  qwen2,   // the same, each digit by itself
};

/// The pattern that is written like this in a tokenizer.json, if it is one of them.
std::optional<WordPattern> pattern_of(std::string_view regex);

std::vector<std::string_view> words_by(WordPattern pattern, std::string_view text);

}  // namespace metaloom
