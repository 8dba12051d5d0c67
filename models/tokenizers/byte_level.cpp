#include "models/tokenizers/byte_level.h"

#include <array>
#include <cstddef>

#include "models/tokenizers/unicode.h"

namespace metaloom {
namespace {

constexpr char32_t kFirstOther = 256;

// Bytes that are a printable character of Latin-1 are written as it, the others from U+0100 on.
constexpr bool writes_itself(unsigned byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

constexpr std::array<char32_t, 256> letters() {
  std::array<char32_t, 256> out{};
  char32_t other = kFirstOther;
  for (unsigned byte = 0; byte < 256; ++byte) out[byte] = writes_itself(byte) ? byte : other++;
  return out;
}

constexpr auto kLetters = letters();

}  // namespace

std::string letter_of(unsigned char byte) {
  std::string out;
  append_character(kLetters[byte], out);
  return out;
}

std::string bytes_of(std::string_view letters) {
  static const std::array<int, 512> bytes = [] {
    std::array<int, 512> out{};
    out.fill(-1);
    for (int byte = 0; byte < 256; ++byte) out[kLetters[static_cast<std::size_t>(byte)]] = byte;
    return out;
  }();
  std::string out;
  for (std::size_t at = 0; at < letters.size();) {
    const char32_t letter = next_character(letters, at);
    const int byte = letter < bytes.size() ? bytes[letter] : -1;
    if (byte >= 0) {
      out.push_back(static_cast<char>(byte));
    } else {
      append_character(letter, out);
    }
  }
  return out;
}

std::string byte_piece(unsigned char byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">";
}

}  // namespace metaloom
