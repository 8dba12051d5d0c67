// Normal forms of Unicode (Standard Annex 15) and lower case, for the characters that the library
// `tokenizers` knows. What is newer stays as it is, as there.
#pragma once

#include <string>
#include <string_view>

namespace metaloom {

/// Letters and their marks as one character (composed) or apart; kc and kd also write variants of
/// a character, such as ligatures and full-width letters, as the usual one.
enum class NormalForm { c, d, kc, kd };

std::string normal_form(std::string_view text, NormalForm form);

/// Letter by letter, whatever stands beside it.
std::string lower_cased(std::string_view text);

}  // namespace metaloom
