#include "models/tokenizers/word_patterns.h"

#include <array>
#include <cstddef>
#include <string>

#include "models/tokenizers/unicode.h"

namespace metaloom {
namespace {

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kModernStart =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)";
constexpr std::string_view kModernEnd = R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::array<std::string_view, 7> kEndings{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
constexpr std::string_view kLongS = "\u017f";  // is an s in upper case

enum class Kind { letters, numbers, spaces, others };

Kind kind_of(char32_t c) {
  if (is(CharacterClass::letter, c)) return Kind::letters;
  if (is(CharacterClass::number, c)) return Kind::numbers;
  return is(CharacterClass::space, c) ? Kind::spaces : Kind::others;
}

bool ends_line(char c) {
  return c == '\r' || c == '\n';
}

/// Of characters of one kind: where they end, where the last one begins, and how far line ends go.
struct Run {
  std::size_t end, last, after_line_end = 0;
};

Run run_from(std::string_view text, std::size_t start, Kind kind, int most = 1 << 30) {
  Run run{start, start};
  for (std::size_t at = start; at < text.size() && most > 0; --most) {
    std::size_t after = at;
    if (kind_of(next_character(text, after)) != kind) break;
    if (ends_line(text[at])) run.after_line_end = after;
    run.last = at;
    run.end = at = after;
  }
  return run;
}

/// \s+(?!\S)|\s+: the last white space before a word is left to it, unless it is the only one.
std::size_t spaces_end(std::string_view text, std::size_t start, const Run& run) {
  return run.end == text.size() || run.last == start ? run.end : run.last;
}

std::size_t gpt2_end(std::string_view text, std::size_t start) {
  const std::string_view rest = text.substr(start);
  for (const std::string_view ending : kEndings) {
    if (rest.starts_with(ending)) return start + ending.size();
  }
  const std::size_t at = rest.front() == ' ' && rest.size() > 1 ? start + 1 : start;
  std::size_t after = at;
  const Kind kind = kind_of(next_character(text, after));
  if (kind != Kind::spaces) return run_from(text, at, kind).end;
  return spaces_end(text, start, run_from(text, start, Kind::spaces));
}

/// How long the ending in any case is that `rest` begins with; 0: none.
std::size_t ending_length(std::string_view rest) {
  if (rest.starts_with('\'') && rest.substr(1).starts_with(kLongS)) return 1 + kLongS.size();
  for (const std::string_view ending : kEndings) {
    std::size_t same = 0;
    while (same < ending.size() && same < rest.size() &&
           (rest[same] == ending[same] ||
            (ending[same] >= 'a' && rest[same] == ending[same] - 'a' + 'A'))) {
      ++same;
    }
    if (same == ending.size()) return same;
  }
  return 0;
}

std::size_t modern_end(std::string_view text, std::size_t start, int digits) {
  if (const std::size_t length = ending_length(text.substr(start)); length > 0)
    return start + length;
  std::size_t second = start;
  const Kind first = kind_of(next_character(text, second));
  if (first == Kind::letters) return run_from(text, start, first).end;
  if (first == Kind::numbers) return run_from(text, start, first, digits).end;
  if (!ends_line(text[start])) {  // one sign or space goes with the letters after it
    const Run letters = run_from(text, second, Kind::letters);
    if (letters.end > second) return letters.end;
  }
  const std::size_t sign = text[start] == ' ' ? second : start;
  const Run others = run_from(text, sign, Kind::others);
  if (others.end > sign) {
    std::size_t end = others.end;
    while (end < text.size() && ends_line(text[end])) ++end;
    return end;
  }
  const Run spaces = run_from(text, start, Kind::spaces);
  return spaces.after_line_end > 0 ? spaces.after_line_end : spaces_end(text, start, spaces);
}

}  // namespace

std::optional<WordPattern> pattern_of(std::string_view regex) {
  const auto modern = [regex](std::string_view numbers) {
    return regex == std::string(kModernStart).append(numbers).append(kModernEnd);
  };
  if (regex == kGpt2) return WordPattern::gpt2;
  if (modern(R"(\p{N}{1,3})")) return WordPattern::llama3;
  if (modern(R"(\p{N})")) return WordPattern::qwen2;
  return {};
}

std::vector<std::string_view> words_by(WordPattern pattern, std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = pattern == WordPattern::gpt2
                                ? gpt2_end(text, at)
                                : modern_end(text, at, pattern == WordPattern::qwen2 ? 1 : 3);
    out.push_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

}  // namespace metaloom
