#include "models/tokenizers/charsmap.h"

#include "core/error.h"
#include "models/tokenizers/unicode.h"

namespace metaloom {
namespace {

// Longer clusters are looked up by their characters alone.
constexpr std::size_t kLongestCluster = 5;

[[noreturn]] void refuse() {
  throw Error(Fault::data, "precompiled_charsmap is no map of characters", "tokenizer.json",
              "Fetch tokenizer.json again and import the model again");
}

int digit_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

std::string decoded(std::string_view base64) {
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (const char c : base64) {
    if (c == '=') break;
    const int digit = digit_of(c);
    if (digit < 0) refuse();
    bits = (bits << 6 | static_cast<unsigned>(digit)) & 0xFFFF;
    count += 6;
    if (count >= 8) out.push_back(static_cast<char>(bits >> (count -= 8) & 0xFF));
  }
  return out;
}

std::uint32_t number_at(std::string_view bytes, std::size_t at) {
  std::uint32_t out = 0;
  for (std::size_t n = 4; n-- > 0;) out = out << 8 | static_cast<unsigned char>(bytes[at + n]);
  return out;
}

// A unit of the trie: where its children are, what byte leads to it, whether a text ends there.
std::uint32_t offset_of(std::uint32_t unit) {
  return (unit >> 10) << ((unit & (1U << 9)) >> 6);
}
std::uint32_t label_of(std::uint32_t unit) {
  return unit & ((1U << 31) | 0xFF);
}
bool has_value(std::uint32_t unit) {
  return (unit >> 8 & 1) == 1;
}

}  // namespace

Charsmap::Charsmap(std::string_view base64) {
  const std::string bytes = decoded(base64);
  if (bytes.size() < 4) refuse();
  const std::uint32_t size = number_at(bytes, 0);
  if (size == 0 || size % 4 != 0 || size > bytes.size() - 4) refuse();
  for (std::size_t at = 4; at < 4 + std::size_t{size}; at += 4)
    units_.push_back(number_at(bytes, at));
  texts_ = bytes.substr(4 + std::size_t{size});
}

std::optional<std::string_view> Charsmap::rule_for(std::string_view text) const {
  std::size_t node = offset_of(units_[0]);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    node ^= byte;
    if (byte == 0 || node >= units_.size() || label_of(units_[node]) != byte) return {};
    const std::uint32_t unit = units_[node];
    node ^= offset_of(unit);
    if (!has_value(unit)) continue;
    if (node >= units_.size()) refuse();
    const std::size_t start = units_[node] & 0x7FFFFFFF;
    const std::size_t end = texts_.find('\0', start);
    if (end == std::string::npos) refuse();
    return std::string_view(texts_).substr(start, end - start);
  }
  return {};
}

std::string Charsmap::applied(std::string_view text) const {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = cluster_end(text, at);
    const std::string_view cluster = text.substr(at, end - at);
    if (cluster.size() <= kLongestCluster) {
      if (const auto rule = rule_for(cluster)) {
        out += *rule;
        at = end;
        continue;
      }
    }
    while (at < end) {
      const std::size_t start = at;
      next_character(text, at);
      const std::string_view character = text.substr(start, at - start);
      out += rule_for(character).value_or(character);
    }
  }
  return out;
}

}  // namespace metaloom
