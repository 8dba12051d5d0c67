// The greedy WordPiece of templates and label words. Equality with Hugging Face's:
// tests/golden/tokenizer_test.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/json.h"
#include "tests/core/expect_error.h"
#include "tests/models/tokenizer_example.h"

namespace metaloom::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<std::string> kPieces{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
                                       "the",   "topic", "top",   "##ic",  "##s",
                                       ",",     ".",     "The",   "'",     "s"};

std::string json_of(bool lower_case) {
  return std::string(R"({"normalizer": {"type": "BertNormalizer", "lowercase": )") +
         (lower_case ? "true" : "false") +
         R"(}, "model": {"type": "WordPiece", "vocab": {"model": 1, "vocab": 2}}})";
}

std::unique_ptr<Tokenizer> made(bool lower_case = true) {
  return tokenizer_of(kPieces, json_of(lower_case), "test");
}

const Register<TokenizerExample> here{
    "WordPiece", "", [] {
      return TokenizerExample{kPieces, json_of(true), {"the", "topics", ",", "tops"}};
    }};

TEST(WordPiece, TakesTheLongestPieceFirst) {
  EXPECT_THAT(made()->pieces_of("topics"), ElementsAre(6, 9));
  EXPECT_THAT(made()->pieces_of("tops"), ElementsAre(7, 9));
}

TEST(WordPiece, LowerCasesUnlessTheModelIsCased) {
  EXPECT_THAT(made()->pieces_of("The TOPIC"), ElementsAre(5, 6));
  EXPECT_THAT(made(false)->pieces_of("The TOPIC"), ElementsAre(12, 1));
}

TEST(WordPiece, SetsPunctuationApart) {
  EXPECT_THAT(made()->pieces_of("the topic's top."), ElementsAre(5, 6, 13, 14, 7, 11));
  EXPECT_THAT(made()->pieces_of(" the  ,  topic "), ElementsAre(5, 10, 6));
}

TEST(WordPiece, SpecialTokensStandForThemselves) {
  EXPECT_THAT(made()->pieces_of("the topic is [MASK]."), ElementsAre(5, 6, 1, 4, 11));
  EXPECT_THAT(made()->pieces_of("[SEP]"), ElementsAre(3));
}

TEST(WordPiece, AWordWithoutPiecesIsUnknown) {
  EXPECT_THAT(made()->pieces_of("topix the"), ElementsAre(1, 5));
  EXPECT_THAT(made()->pieces_of(std::string(101, 's')), ElementsAre(1));
}

TEST(WordPiece, TakesAccentsOffWhereItLowerCases) {
  EXPECT_THAT(made()->pieces_of("Th\u00c9 t\u00f3p"), ElementsAre(5, 7));
  EXPECT_THAT(made(false)->pieces_of("th\u00e9"), ElementsAre(1));
}

TEST(WordPiece, AnIdeographOrASignIsAWord) {
  EXPECT_THAT(made()->pieces_of("the\u4e2dtop\u2026the"), ElementsAre(5, 1, 7, 1, 5));
}

TEST(WordPiece, CountsCharactersNotBytes) {
  std::string word = "t";
  for (int n = 0; n < 60; ++n) word += "\u0301";  // of two bytes each; they go with the accents
  EXPECT_THAT(made()->pieces_of(word + "op"), ElementsAre(7));
}

TEST(WordPiece, CutsAtWhiteSpaceOnlyWhereItIsTold) {
  Json json = parse_json(json_of(true), "test");
  json["pre_tokenizer"] = {{"type", "WhitespaceSplit"}};
  EXPECT_THAT(tokenizer_of(kPieces, json.dump(), "test")->pieces_of("the top."), ElementsAre(5, 1));
  json["pre_tokenizer"] = {{"type", "Metaspace"}};
  EXPECT_ERROR(tokenizer_of(kPieces, json.dump(), "test"), Fault::data, "Metaspace");
}

TEST(WordPiece, ReadsBack) {
  EXPECT_EQ(made()->words_of({2, 5, 6, 9, 3, 0, 0}), "[CLS] the topics [SEP]");
}

TEST(WordPiece, KnowsWhatItsSpecialPiecesAreFor) {
  const auto tokenizer = made();
  EXPECT_EQ(tokenizer->special(Special::pad), 0);
  EXPECT_EQ(tokenizer->special(Special::unknown), 1);
  EXPECT_EQ(tokenizer->special(Special::begin), 2);
  EXPECT_EQ(tokenizer->special(Special::end), 3);
  EXPECT_EQ(tokenizer->special(Special::mask), 4);
}

TEST(WordPiece, AFileThatNamesNoKindIsBerts) {
  EXPECT_EQ(tokenizer_of(kPieces, "{}", "test")->find("topic"), 6);
  EXPECT_EQ(tokenizer_of(kPieces, R"({"model": {"vocab": {}}})", "test")->size(), 15);
}

TEST(WordPiece, ASpecialTokenMustBeThere) {
  try {
    tokenizer_of({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "the"}, "{}", "test");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::data);
    EXPECT_THAT(error.what(), HasSubstr("[MASK]"));
  }
}

}  // namespace
}  // namespace metaloom::testing
