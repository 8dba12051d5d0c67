// Bytes as pieces: GPT-2's 256 letters, one for each byte of UTF-8 (Radford et al. 2019), and the
// pieces by which SentencePiece spells a character that has none.
#pragma once

#include <string>
#include <string_view>

namespace metaloom {

/// The letter that a byte is written as.
std::string letter_of(unsigned char byte);

/// The bytes that letters stand for; other characters stay as they are.
std::string bytes_of(std::string_view letters);

/// "<0x0A>"
std::string byte_piece(unsigned char byte);

}  // namespace metaloom
