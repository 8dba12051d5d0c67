// Characters of UTF-8, and the classes of them that tokenizers cut by: those of the library
// `tokenizers`, of which tests/golden/make_unicode_tables.py read them, one character at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace metaloom {

enum class CharacterClass {
  letter,      // \p{L}
  number,      // \p{N}
  space,       // \s, White_Space
  unsettled,   // NFC or NFKC may change it, or join or reorder it with its neighbours
  joining,     // goes with the character before it: marks, the zero-width joiner
  control,     // goes with none
  prepended,   // goes with the character after it
  pictograph,  // two of them with a zero-width joiner between go together
  consonant,   // two of them with a linker between go together
  linker,
};

bool is(CharacterClass wanted, char32_t character);

/// The character at `at`, which moves behind it. A byte that begins none is U+FFFD.
char32_t next_character(std::string_view text, std::size_t& at);

void append_character(char32_t character, std::string& out);

/// UTF-8 for sure: a byte that is of no character as U+FFFD.
std::string readable(std::string_view bytes);

/// The text with `to` for every `from`, which is not empty.
std::string replaced(std::string_view text, std::string_view from, std::string_view to);

/// Where the characters of a text that its reader sees as one (Unicode Standard Annex 29, extended
/// grapheme clusters, without flags) end: the first at or after the character that `at` is at.
std::size_t cluster_end(std::string_view text, std::size_t at);

}  // namespace metaloom
