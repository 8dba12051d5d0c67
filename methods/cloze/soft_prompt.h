// How the soft tokens of a template begin.
// Legend: P soft tokens, D width.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/rng.h"
#include "models/pretrained.h"

namespace metaloom {

enum class SoftStart { words, random };
constexpr std::array<std::string_view, 2> words_of(SoftStart) {
  return {"words", "random"};
}

struct SoftPrompt {
  std::int64_t tokens = 0;  // of the template
  SoftStart start = SoftStart::words;
  std::string words;           // whose embeddings SoftStart::words takes, over and over
  std::string template_words;  // the template, for messages
};

/// The soft tokens at step 0, [P, D]: embeddings of words, or noise of their size. Throws
/// Error{usage} where the vocabulary does not know the words.
at::Tensor initial_soft_PD(const SoftPrompt& prompt, const Pretrained& pretrained, const Rng& rng);

}  // namespace metaloom
