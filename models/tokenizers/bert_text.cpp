#include "models/tokenizers/bert_text.h"

#include "models/tokenizers/normal_forms.h"
#include "models/tokenizers/unicode.h"

namespace metaloom {

std::string cleaned(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_character(text, at);
    if (is(CharacterClass::meaningless, c)) continue;
    append_character(is(CharacterClass::space, c) ? ' ' : c, out);
  }
  return out;
}

std::string with_ideographs_apart(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_character(text, at);
    const bool apart = is(CharacterClass::ideograph, c);
    if (apart) out.push_back(' ');
    append_character(c, out);
    if (apart) out.push_back(' ');
  }
  return out;
}

std::string without_marks(std::string_view text) {
  return without(CharacterClass::mark, normal_form(text, NormalForm::d));
}

}  // namespace metaloom
