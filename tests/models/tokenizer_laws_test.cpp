// Laws of every registered kind of tokenizer, on the example that its own test registers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/core/expect_error.h"
#include "tests/models/tokenizer_example.h"

namespace metaloom::testing {
namespace {

constexpr Special kRoles[] = {Special::begin, Special::end, Special::mask, Special::pad,
                              Special::unknown};

void for_every_kind(
    const std::function<void(const Tokenizer& tokenizer, const TokenizerExample& example)>& law) {
  ASSERT_FALSE(Registry<Tokenizer>::names().empty());
  for (const std::string& kind : Registry<Tokenizer>::names()) {
    SCOPED_TRACE(kind);
    const TokenizerExample example = Registry<TokenizerExample>::make(kind);
    law(*example.made(), example);
  }
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

TEST(TokenizerLaws, APieceAndItsIdNameEachOther) {
  for_every_kind([](const Tokenizer& tokenizer, const TokenizerExample& example) {
    ASSERT_EQ(tokenizer.size(), std::ssize(example.pieces));
    for (std::int64_t id = 0; id < tokenizer.size(); ++id) {
      EXPECT_EQ(tokenizer.piece(id), example.pieces[static_cast<std::size_t>(id)]);
      EXPECT_EQ(tokenizer.find(tokenizer.piece(id)), id);
    }
    EXPECT_EQ(tokenizer.find("no such piece"), -1);
  });
}

TEST(TokenizerLaws, RolesAreDistinctPiecesThatStandForThemselves) {
  for_every_kind([](const Tokenizer& tokenizer, const TokenizerExample&) {
    std::set<std::int32_t> seen;
    for (const Special role : kRoles) {
      const std::int32_t id = tokenizer.special(role);
      if (id < 0) continue;
      EXPECT_TRUE(seen.insert(id).second) << tokenizer.piece(id);
      EXPECT_THAT(tokenizer.pieces_of(tokenizer.piece(id)), ::testing::ElementsAre(id));
    }
    EXPECT_FALSE(seen.empty());
  });
}

TEST(TokenizerLaws, WordsReadBackAsWritten) {
  for_every_kind([](const Tokenizer& tokenizer, const TokenizerExample& example) {
    const auto pieces = tokenizer.pieces_of(joined(example.words), Tokenizer::Before::nothing);
    EXPECT_GT(pieces.size(), example.words.size()) << "no word of several pieces";
    std::vector<std::int64_t> ids(pieces.begin(), pieces.end());
    EXPECT_EQ(tokenizer.words_of(ids), joined(example.words));
    if (tokenizer.special(Special::pad) >= 0) {
      ids.insert(ids.end(), 3, tokenizer.special(Special::pad));
      EXPECT_EQ(tokenizer.words_of(ids), joined(example.words));
    }
  });
}

// Templates look their words up one by one.
TEST(TokenizerLaws, WordsOneByOneAreWordsTogether) {
  for_every_kind([](const Tokenizer& tokenizer, const TokenizerExample& example) {
    std::vector<std::int32_t> one_by_one;
    for (const std::string& word : example.words) {
      const auto before =
          one_by_one.empty() ? Tokenizer::Before::nothing : Tokenizer::Before::space;
      const auto pieces = tokenizer.pieces_of(word, before);
      one_by_one.insert(one_by_one.end(), pieces.begin(), pieces.end());
    }
    EXPECT_EQ(one_by_one, tokenizer.pieces_of(joined(example.words), Tokenizer::Before::nothing));
  });
}

TEST(TokenizerLaws, AnIdThatIsNoneIsRefused) {
  for_every_kind([](const Tokenizer& tokenizer, const TokenizerExample&) {
    EXPECT_ERROR(tokenizer.words_of({tokenizer.size()}), Fault::internal, "vocabulary");
    EXPECT_ERROR(tokenizer.words_of({-1}), Fault::internal, "-1");
  });
}

TEST(TokenizerLaws, APieceMustNotStandTwice) {
  for_every_kind([](const Tokenizer&, TokenizerExample example) {
    example.pieces.push_back(example.pieces.back());
    EXPECT_ERROR(example.made(), Fault::data, "twice");
  });
}

}  // namespace
}  // namespace metaloom::testing
