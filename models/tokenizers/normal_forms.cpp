#include "models/tokenizers/normal_forms.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>

#include "core/error.h"
#include "models/tokenizers/lower_case_table.h"
#include "models/tokenizers/unicode.h"

namespace metaloom {
namespace {

constexpr char32_t kDottedI = 0x130;  // the only letter that becomes two: "i" and a dot above
constexpr char32_t kDotAbove = 0x307;

// utf8proc joins them with what stands before them. The first is no part of a Hangul syllable,
// whose last consonants begin behind it; the second is of a pair that `tokenizers` does not know
// yet.
constexpr char32_t kJoinedByMistake[] = {0x11A7, 0x11930};

/// Whether utf8proc takes apart, reorders or joins what `tokenizers` leaves alone.
bool is_newer(char32_t c) {
  if (std::ranges::count(kJoinedByMistake, c) > 0) return true;
  if (is(CharacterClass::decomposing, c)) return false;
  const utf8proc_property_t* known = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  return known->decomp_seqindex != UINT16_MAX || known->combining_class != 0;
}

int options(NormalForm form) {
  const bool composed = form == NormalForm::c || form == NormalForm::kc;
  const bool compatible = form == NormalForm::kc || form == NormalForm::kd;
  return UTF8PROC_STABLE | (composed ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
         (compatible ? UTF8PROC_COMPAT : 0);
}

/// The form of UTF-8 without newer characters.
void append_form(std::string_view text, NormalForm form, std::string& out) {
  if (text.empty()) return;
  utf8proc_uint8_t* made = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), std::ssize(text), &made,
                   static_cast<utf8proc_option_t>(options(form)));
  if (size < 0) throw Error(Fault::internal, std::string("utf8proc: ") + utf8proc_errmsg(size));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(made, &std::free);
  out.append(reinterpret_cast<const char*>(made), static_cast<std::size_t>(size));
}

/// Of a letter whose lower case is one letter; others stay.
char32_t lower_case(char32_t c) {
  const auto code = static_cast<std::int32_t>(c);
  const auto* next =
      std::upper_bound(std::begin(unicode::kLowerCase), std::end(unicode::kLowerCase), code,
                       [](std::int32_t letter, const auto& run) { return letter < run[0]; });
  if (next == std::begin(unicode::kLowerCase)) return c;
  const auto& [first, count, step, shift] = *std::prev(next);
  const bool within = (code - first) % step == 0 && (code - first) / step < count;
  return within ? static_cast<char32_t>(code + shift) : c;
}

}  // namespace

// To those who do not know it, a newer character is a letter that joins with none: what stands
// before and after it is normalised apart.
std::string normal_form(std::string_view text, NormalForm form) {
  const std::string whole = readable(text);
  const std::string_view view = whole;
  std::string out;
  std::size_t done = 0;
  for (std::size_t at = 0; at < view.size();) {
    const std::size_t start = at;
    if (!is_newer(next_character(view, at))) continue;
    append_form(view.substr(done, start - done), form, out);
    out.append(view, start, at - start);
    done = at;
  }
  append_form(view.substr(done), form, out);
  return out;
}

std::string lower_cased(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_character(text, at);
    if (c == kDottedI) {
      append_character('i', out);
      append_character(kDotAbove, out);
      continue;
    }
    append_character(lower_case(c), out);
  }
  return out;
}

}  // namespace metaloom
