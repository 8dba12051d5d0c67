// Characters of UTF-8, and the classes of them that tokenizers cut by: those of the library
// `tokenizers`, of which tests/golden/make_unicode_tables.py read them, one character at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace metaloom {

enum class CharacterClass {
  letter,       // \p{L}
  number,       // \p{N}
  space,        // \s, White_Space
  decomposing,  // a normal form takes it apart, replaces it, or puts it in order: marks
  joining,      // goes with the character before it: marks, the zero-width joiner
  control,      // goes with none
  prepended,    // goes with the character after it
  pictograph,   // two of them with a zero-width joiner between go together
  consonant,    // two of them with a linker between go together
  linker,
  accent,       // StripAccents takes it away
  mark,         // BERT takes it away, too
  meaningless,  // BERT leaves it out: control characters and the like
  ideograph,    // a word by itself to BERT
  punctuation,  // so is this
};

bool is(CharacterClass wanted, char32_t character);

/// The character at `at`, which moves behind it. A byte that begins none is U+FFFD.
char32_t next_character(std::string_view text, std::size_t& at);

void append_character(char32_t character, std::string& out);

/// How many characters a text has.
std::size_t characters_of(std::string_view text);

/// The text without the characters of this class.
std::string without(CharacterClass gone, std::string_view text);

/// What white space parts; if `signs_apart`, every sign of punctuation by itself, too.
std::vector<std::string> words_between_spaces(std::string_view text, bool signs_apart);

/// UTF-8 for sure: a byte that is of no character as U+FFFD.
std::string readable(std::string_view bytes);

/// The text with `to` for every `from`, which is not empty.
std::string replaced(std::string_view text, std::string_view from, std::string_view to);

/// Where the characters of a text that its reader sees as one (Unicode Standard Annex 29, extended
/// grapheme clusters, without flags) end: the first at or after the character that `at` is at.
std::size_t cluster_end(std::string_view text, std::size_t at);

}  // namespace metaloom
