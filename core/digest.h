// Content digests (XXH3, 64 bits): of checkpoint images, token stores, configurations.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace metaloom {

std::uint64_t digest(std::span<const std::byte> bytes);
std::uint64_t digest(std::string_view text);
/// 16 hexadecimal digits, as manifests write them.
std::string hex(std::uint64_t digest);

}  // namespace metaloom
