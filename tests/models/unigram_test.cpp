// SentencePiece's unigram pieces of templates and label words. Equality with Hugging Face's:
// tests/golden/tokenizer_kinds_test.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/json.h"
#include "tests/core/expect_error.h"
#include "tests/models/tokenizer_example.h"

namespace metaloom::testing {
namespace {

using ::testing::ElementsAre;
using Before = Tokenizer::Before;

const std::vector<std::pair<std::string, double>> kScores{
    {"<pad>", 0}, {"</s>", 0}, {"<unk>", 0}, {"<mask>", 0}, {"▁the", -2}, {"▁top", -3}, {"▁", -4},
    {"top", -5},  {"s", -5},   {"t", -6},    {"h", -6},     {"e", -6},    {"o", -6},    {"p", -6}};

std::vector<std::string> pieces() {
  std::vector<std::string> out;
  for (const auto& [piece, score] : kScores) out.push_back(piece);
  return out;
}

Json settings(const char* prepends = "always") {
  Json out = parse_json(R"({"normalizer": null, "model": {"type": "Unigram", "unk_id": 2},
      "post_processor": {"type": "TemplateProcessing", "special_tokens": {"</s>":
      {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}, "single":
      [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}]}})",
                        "test");
  out["pre_tokenizer"] = {
      {"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", prepends}};
  for (int id = 0; id < 4; ++id) {
    out["added_tokens"].push_back({{"id", id},
                                   {"content", kScores[static_cast<std::size_t>(id)].first},
                                   {"special", true},
                                   {"lstrip", id == 3}});
  }
  for (const auto& [piece, score] : kScores)
    out["model"]["vocab"].push_back(Json::array({piece, score}));
  return out;
}

std::unique_ptr<Tokenizer> made(const Json& json = settings()) {
  return tokenizer_of(pieces(), json.dump(), "test");
}

std::vector<std::string> spelled(const Tokenizer& tokenizer, std::string_view words,
                                 Before before = Before::nothing) {
  std::vector<std::string> out;
  for (const std::int32_t id : tokenizer.pieces_of(words, before))
    out.push_back(tokenizer.piece(id));
  return out;
}

const Register<TokenizerExample> here{
    "Unigram", "", [] {
      return TokenizerExample{pieces(), settings().dump(), {"the", "tops", "hoe", "top"}};
    }};

TEST(Unigram, TakesTheWayOfTheGreatestScore) {
  EXPECT_THAT(spelled(*made(), "tops the"), ElementsAre("▁top", "s", "▁the"));
  EXPECT_THAT(spelled(*made(settings("never")), "top"), ElementsAre("top"));
  EXPECT_THAT(spelled(*made(), "ho"), ElementsAre("▁", "h", "o"));
}

TEST(Unigram, PutsASpaceBeforeTheFirstWordAsItsFileSays) {
  EXPECT_THAT(spelled(*made(settings("always")), "the"), ElementsAre("▁the"));
  EXPECT_THAT(spelled(*made(settings("first")), "the<mask>the"),
              ElementsAre("▁the", "<mask>", "t", "h", "e"));
  EXPECT_THAT(spelled(*made(settings("never")), "the"), ElementsAre("t", "h", "e"));
  for (const char* scheme : {"always", "first", "never"}) {
    EXPECT_THAT(spelled(*made(settings(scheme)), "the", Before::space), ElementsAre("▁the"));
    EXPECT_THAT(spelled(*made(settings(scheme)), "</s>", Before::space), ElementsAre("</s>"));
  }
}

TEST(Unigram, NeighboursWithoutAPieceAreOneUnknown) {
  EXPECT_THAT(spelled(*made(), "xyzt"), ElementsAre("▁", "<unk>", "t"));
  EXPECT_THAT(spelled(*made(), "日本"), ElementsAre("▁", "<unk>"));
}

TEST(Unigram, SpellsBytesWhereItHasPiecesForThem) {
  Json json = settings();
  json["model"]["byte_fallback"] = true;
  std::vector<std::string> all = pieces();
  for (const char* byte : {"<0xC3>", "<0xA9>"}) {
    json["model"]["vocab"].push_back(Json::array({byte, 0}));
    all.emplace_back(byte);
  }
  const auto tokenizer = tokenizer_of(all, json.dump(), "test");
  EXPECT_THAT(spelled(*tokenizer, "téx"), ElementsAre("▁", "t", "<unk>"));
  EXPECT_THAT(spelled(*tokenizer, "té"), ElementsAre("▁", "t", "<0xC3>", "<0xA9>"));
  EXPECT_EQ(tokenizer->words_of({9, 14, 15}), "té");
  EXPECT_EQ(tokenizer->words_of({9, 14}), "t\ufffd");
}

TEST(Unigram, TakesTheNormalForm) {
  Json json = settings();
  json["normalizer"] = {
      {"type", "Sequence"},
      {"normalizers",
       Json::array({{{"type", "NFKD"}}, {{"type", "StripAccents"}}, {{"type", "Lowercase"}}})}};
  EXPECT_THAT(spelled(*made(json), "THE T\u00d3P"), ElementsAre("▁the", "▁top"));
  json["normalizer"] = {{"type", "NFKC"}};
  EXPECT_THAT(spelled(*made(json), "\uff54he"), ElementsAre("▁the"));
}

TEST(Unigram, ReplacesRunsOfSpaces) {
  Json json = settings();
  json["normalizer"] = {
      {"type", "Replace"}, {"pattern", {{"Regex", "\\s{2,}|[\\n\\r\\t]"}}}, {"content", " "}};
  EXPECT_THAT(spelled(*made(json), "the\n\u00a0\tthe\tthe  the"),
              ElementsAre("▁the", "▁the", "▁the", "▁the"));
}

TEST(Unigram, PutsNoSecondSpaceWhereItsNormalizerPutsOne) {
  Json json = settings("never");
  json["normalizer"] = {{"type", "Prepend"}, {"prepend", "▁"}};
  EXPECT_THAT(spelled(*made(json), "the", Before::space), ElementsAre("▁the"));
}

TEST(Unigram, FindsAnAddedPieceByItsNormalForm) {
  Json json = settings();
  json["normalizer"] = {{"type", "Lowercase"}};
  json["added_tokens"].push_back({{"id", 4}, {"content", "\u00c4"}, {"normalized", true}});
  EXPECT_THAT(made(json)->pieces_of("\u00e4", Before::nothing), ElementsAre(4));
}

TEST(Unigram, KnowsWhatItsSpecialPiecesAreFor) {
  const auto tokenizer = made();
  EXPECT_EQ(tokenizer->special(Special::begin), -1);
  EXPECT_EQ(tokenizer->special(Special::end), 1);
  EXPECT_EQ(tokenizer->special(Special::mask), 3);
  EXPECT_EQ(tokenizer->special(Special::pad), 0);
  EXPECT_EQ(tokenizer->special(Special::unknown), 2);
}

TEST(Unigram, RefusesWhatItCannotDo) {
  const auto refused = [](const char* key, const Json& value, const char* said) {
    Json json = settings();
    (json.contains(key) ? json[key] : json["model"][key]) = value;
    EXPECT_ERROR(made(json), Fault::data, said);
  };
  refused("pre_tokenizer", {{"type", "Punctuation"}}, "Punctuation");
  refused("normalizer", {{"type", "ByteLevel"}}, "ByteLevel");
  refused("normalizer", {{"type", "Precompiled"}, {"precompiled_charsmap", "!"}}, "no map");
  refused("normalizer", {{"type", "Precompiled"}, {"precompiled_charsmap", "/////w=="}}, "no map");
  refused("normalizer", {{"type", "Replace"}, {"pattern", {{"Regex", "\\d"}}}, {"content", "0"}},
          "\\d");
  refused("unk_id", nullptr, "unknown");
  refused("unk_id", 99, "99");
  refused("vocab", Json::array({"a", "b", "c"}), "");
}

}  // namespace
}  // namespace metaloom::testing
