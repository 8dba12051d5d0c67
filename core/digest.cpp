#include "core/digest.h"

#include <xxhash.h>

namespace metaloom {

std::uint64_t digest(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::uint64_t digest(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

std::string hex(std::uint64_t digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out(16, '0');
  for (int i = 15; i >= 0; --i, digest >>= 4) out[i] = kDigits[digest & 15];
  return out;
}

}  // namespace metaloom
