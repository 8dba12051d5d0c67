#include "core/digest.h"

#include <gtest/gtest.h>

namespace metaloom {
namespace {

TEST(Digest, IsXxh3Of64Bits) {
  // Published by xxHash for seed 0: the empty input.
  EXPECT_EQ(hex(digest("")), "2d06800538d394c2");
  const std::string text = "metaloom";
  EXPECT_EQ(digest(text), digest(std::as_bytes(std::span(text))));
  EXPECT_NE(digest("metaloom"), digest("metalook"));
}

TEST(Digest, IsWrittenWithSixteenDigits) {
  EXPECT_EQ(hex(0), "0000000000000000");
  EXPECT_EQ(hex(0x0123456789abcdef), "0123456789abcdef");
}

}  // namespace
}  // namespace metaloom
