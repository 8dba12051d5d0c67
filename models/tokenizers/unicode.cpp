#include "models/tokenizers/unicode.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "models/tokenizers/unicode_tables.h"

namespace metaloom {
namespace {

constexpr char32_t kNone = 0xFFFD;
constexpr char32_t kJoiner = 0x200D;

// The tables tell how many characters are outside of a class and how many then are in it, in turns.
template <std::size_t N>
constexpr std::array<std::uint32_t, N> bounds(const std::uint32_t (&runs)[N]) {
  std::array<std::uint32_t, N> out{};
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < N; ++i) out[i] = sum += runs[i];
  return out;
}

template <std::size_t N>
bool within(const std::array<std::uint32_t, N>& bounds, char32_t character) {
  return (std::upper_bound(bounds.begin(), bounds.end(), character) - bounds.begin()) % 2 == 1;
}

constexpr auto kLetterBounds = bounds(unicode::kLetter);
constexpr auto kNumberBounds = bounds(unicode::kNumber);
constexpr auto kSpaceBounds = bounds(unicode::kSpace);
constexpr auto kDecomposingBounds = bounds(unicode::kDecomposing);
constexpr auto kJoiningBounds = bounds(unicode::kJoining);
constexpr auto kControlBounds = bounds(unicode::kControl);
constexpr auto kPrependedBounds = bounds(unicode::kPrepended);
constexpr auto kPictographBounds = bounds(unicode::kPictograph);
constexpr auto kConsonantBounds = bounds(unicode::kConsonant);
constexpr auto kLinkerBounds = bounds(unicode::kLinker);
constexpr auto kAccentBounds = bounds(unicode::kAccent);
constexpr auto kMarkBounds = bounds(unicode::kMark);
constexpr auto kMeaninglessBounds = bounds(unicode::kMeaningless);
constexpr auto kIdeographBounds = bounds(unicode::kIdeograph);
constexpr auto kPunctuationBounds = bounds(unicode::kPunctuation);

/// How many bytes a character that begins with this one has, by its first byte; 0: none does.
std::size_t length_by(unsigned char first) {
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;  // continues one, or writes ASCII in two bytes
  if (first < 0xE0) return 2;
  if (first < 0xF0) return 3;
  return first < 0xF5 ? 4 : 0;
}

enum class Hangul { none, leading, vowel, trailing, open_syllable, syllable };

Hangul hangul(char32_t c) {
  if ((c >= 0x1100 && c <= 0x115F) || (c >= 0xA960 && c <= 0xA97C)) return Hangul::leading;
  if ((c >= 0x1160 && c <= 0x11A7) || (c >= 0xD7B0 && c <= 0xD7C6)) return Hangul::vowel;
  if ((c >= 0x11A8 && c <= 0x11FF) || (c >= 0xD7CB && c <= 0xD7FB)) return Hangul::trailing;
  if (c < 0xAC00 || c > 0xD7A3) return Hangul::none;
  return (c - 0xAC00) % 28 == 0 ? Hangul::open_syllable : Hangul::syllable;
}

bool one_syllable(Hangul before, Hangul after) {
  if (before == Hangul::leading) return after != Hangul::none && after != Hangul::trailing;
  const bool vowel_may_follow = before == Hangul::vowel || before == Hangul::open_syllable;
  if (vowel_may_follow && after == Hangul::vowel) return true;
  return before != Hangul::none && after == Hangul::trailing;
}

/// What the characters of a cluster so far say of whether the next one is of it, too.
class Cluster {
 public:
  explicit Cluster(char32_t first) { take(first); }

  bool goes_on_with(char32_t next) const {
    if (last_ == '\r' && next == '\n') return true;
    if (is(CharacterClass::control, last_) || is(CharacterClass::control, next)) return false;
    if (is(CharacterClass::joining, next)) return true;
    if (is(CharacterClass::prepended, last_)) return true;
    if (one_syllable(hangul(last_), hangul(next))) return true;
    if (linked_ && is(CharacterClass::consonant, next)) return true;
    return last_ == kJoiner && after_pictograph_ && is(CharacterClass::pictograph, next);
  }

  void take(char32_t next) {
    const bool joins = is(CharacterClass::joining, next);
    if (is(CharacterClass::consonant, next)) {
      after_consonant_ = true;
      linked_ = false;
    } else if (!joins) {
      after_consonant_ = linked_ = false;
    }
    linked_ = linked_ || (after_consonant_ && is(CharacterClass::linker, next));
    after_pictograph_ = is(CharacterClass::pictograph, next) || (joins && after_pictograph_);
    last_ = next;
  }

 private:
  char32_t last_ = 0;
  bool after_consonant_ = false;
  bool linked_ = false;  // by a linker after that consonant
  bool after_pictograph_ = false;
};

}  // namespace

bool is(CharacterClass wanted, char32_t character) {
  switch (wanted) {
    case CharacterClass::letter:
      return within(kLetterBounds, character);
    case CharacterClass::number:
      return within(kNumberBounds, character);
    case CharacterClass::space:
      return within(kSpaceBounds, character);
    case CharacterClass::decomposing:
      return within(kDecomposingBounds, character);
    case CharacterClass::joining:
      return within(kJoiningBounds, character);
    case CharacterClass::control:
      return within(kControlBounds, character);
    case CharacterClass::prepended:
      return within(kPrependedBounds, character);
    case CharacterClass::pictograph:
      return within(kPictographBounds, character);
    case CharacterClass::consonant:
      return within(kConsonantBounds, character);
    case CharacterClass::linker:
      return within(kLinkerBounds, character);
    case CharacterClass::accent:
      return within(kAccentBounds, character);
    case CharacterClass::mark:
      return within(kMarkBounds, character);
    case CharacterClass::meaningless:
      return within(kMeaninglessBounds, character);
    case CharacterClass::ideograph:
      return within(kIdeographBounds, character);
    case CharacterClass::punctuation:
      return within(kPunctuationBounds, character);
  }
  return false;
}

char32_t next_character(std::string_view text, std::size_t& at) {
  const auto byte = [&text](std::size_t n) { return static_cast<unsigned char>(text[n]); };
  const unsigned char first = byte(at);
  const std::size_t length = length_by(first);
  const std::size_t start = at++;
  if (length <= 1 || start + length > text.size()) return length == 1 ? first : kNone;
  char32_t out = first & (0xFF >> (length + 1));
  for (std::size_t n = start + 1; n < start + length; ++n) {
    if ((byte(n) & 0xC0) != 0x80) return kNone;
    out = (out << 6) | (byte(n) & 0x3F);
  }
  const bool overlong = (length == 3 && out < 0x800) || (length == 4 && out < 0x10000);
  if (overlong || out > 0x10FFFF || (out >= 0xD800 && out < 0xE000)) return kNone;
  at = start + length;
  return out;
}

void append_character(char32_t character, std::string& out) {
  const auto tail = [&](int shift) {
    out.push_back(static_cast<char>(0x80 | ((character >> shift) & 0x3F)));
  };
  if (character < 0x80) {
    out.push_back(static_cast<char>(character));
  } else if (character < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (character >> 6)));
    tail(0);
  } else if (character < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (character >> 12)));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<char>(0xF0 | (character >> 18)));
    tail(12);
    tail(6);
    tail(0);
  }
}

std::size_t characters_of(std::string_view text) {
  std::size_t out = 0;
  for (std::size_t at = 0; at < text.size(); ++out) next_character(text, at);
  return out;
}

std::string without(CharacterClass gone, std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_character(text, at);
    if (!is(gone, c)) append_character(c, out);
  }
  return out;
}

std::vector<std::string> words_between_spaces(std::string_view text, bool signs_apart) {
  std::vector<std::string> out;
  std::size_t start = 0;
  const auto word_until = [&](std::size_t end) {
    if (end > start) out.emplace_back(text.substr(start, end - start));
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t before = at;
    const char32_t c = next_character(text, at);
    const bool sign = signs_apart && is(CharacterClass::punctuation, c);
    if (!sign && !is(CharacterClass::space, c)) continue;
    word_until(before);
    if (sign) out.emplace_back(text.substr(before, at - before));
    start = at;
  }
  word_until(text.size());
  return out;
}

std::string readable(std::string_view bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size();) append_character(next_character(bytes, at), out);
  return out;
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t found; (found = text.find(from, at)) != std::string_view::npos;) {
    out.append(text, at, found - at).append(to);
    at = found + from.size();
  }
  return out.append(text, at);
}

std::size_t cluster_end(std::string_view text, std::size_t at) {
  Cluster cluster(next_character(text, at));
  while (at < text.size()) {
    std::size_t after = at;
    const char32_t next = next_character(text, after);
    if (!cluster.goes_on_with(next)) break;
    cluster.take(next);
    at = after;
  }
  return at;
}

}  // namespace metaloom
