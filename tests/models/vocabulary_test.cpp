// The greedy WordPiece of templates and label words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "models/pretrained.h"

namespace metaloom {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Vocabulary small(bool lower_case = true) {
  return Vocabulary({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "topic", "top", "##ic",
                     "##s", ",", ".", "The", "'", "s"},
                    lower_case);
}

TEST(Vocabulary, TakesTheLongestPieceFirst) {
  EXPECT_THAT(small().pieces_of("topics"), ElementsAre(6, 9));
  EXPECT_THAT(small().pieces_of("tops"), ElementsAre(7, 9));
}

TEST(Vocabulary, LowerCasesUnlessTheModelIsCased) {
  EXPECT_THAT(small().pieces_of("The TOPIC"), ElementsAre(5, 6));
  EXPECT_THAT(small(false).pieces_of("The TOPIC"), ElementsAre(12, 1));
}

TEST(Vocabulary, SetsPunctuationApart) {
  EXPECT_THAT(small().pieces_of("the topic's top."), ElementsAre(5, 6, 13, 14, 7, 11));
  EXPECT_THAT(small().pieces_of(" the  ,  topic "), ElementsAre(5, 10, 6));
}

TEST(Vocabulary, SpecialTokensStandForThemselves) {
  EXPECT_THAT(small().pieces_of("the topic is [MASK]."), ElementsAre(5, 6, 1, 4, 11));
  EXPECT_THAT(small().pieces_of("[SEP]"), ElementsAre(3));
}

TEST(Vocabulary, AWordWithoutPiecesIsUnknown) {
  EXPECT_THAT(small().pieces_of("topix the"), ElementsAre(1, 5));
  EXPECT_THAT(small().pieces_of("caf\xc3\xa9"), ElementsAre(1));
  EXPECT_THAT(small().pieces_of(std::string(101, 's')), ElementsAre(1));
}

TEST(Vocabulary, ReadsBack) {
  EXPECT_EQ(small().words_of({2, 5, 6, 9, 3, 0, 0}), "[CLS] the topics [SEP]");
  EXPECT_THROW(small().words_of({15}), Error);
  EXPECT_THROW(small().words_of({-1}), Error);
}

TEST(Vocabulary, SurvivesAMove) {
  Vocabulary first = small();
  const Vocabulary second = std::move(first);
  EXPECT_EQ(second.find("topic"), 6);
  EXPECT_EQ(second.find("top ic"), -1);
}

TEST(Vocabulary, ASpecialTokenMustBeThere) {
  try {
    Vocabulary({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "the"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::data);
    EXPECT_THAT(error.what(), HasSubstr("[MASK]"));
  }
}

TEST(Vocabulary, APieceMustNotStandTwice) {
  EXPECT_THROW(Vocabulary({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "a"}), Error);
}

}  // namespace
}  // namespace metaloom
