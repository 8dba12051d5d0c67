// How BERT's tokenizer treats a text before it looks for pieces ("BertNormalizer" of
// tokenizer.json), as the library `tokenizers` does it.
#pragma once

#include <string>
#include <string_view>

namespace metaloom {

/// Without control characters and characters of no meaning; white space of all kinds as spaces.
std::string cleaned(std::string_view text);

/// A space before and after every ideograph, so that each is a word.
std::string with_ideographs_apart(std::string_view text);

/// Letters without their marks.
std::string without_marks(std::string_view text);

}  // namespace metaloom
