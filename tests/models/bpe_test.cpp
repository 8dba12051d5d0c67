// Byte-level BPE of templates and label words. Equality with Hugging Face's:
// tests/golden/tokenizer_kinds_test.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/json.h"
#include "models/tokenizers/byte_level.h"
#include "models/tokenizers/word_patterns.h"
#include "tests/core/expect_error.h"
#include "tests/models/tokenizer_example.h"

namespace metaloom::testing {
namespace {

using ::testing::ElementsAre;
using Before = Tokenizer::Before;

const std::vector<std::pair<std::string, std::string>> kMerges{
    {"t", "h"}, {"Ġ", "th"}, {"Ġth", "e"}, {"th", "e"}, {"o", "p"}, {"t", "op"}, {"Ġ", "top"}};

/// RoBERTa's special pieces, every byte, and what the merges make.
std::vector<std::string> pieces() {
  std::vector<std::string> out{"<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>"};
  for (int byte = 0; byte < 256; ++byte) out.push_back(letter_of(static_cast<unsigned char>(byte)));
  for (const auto& [left, right] : kMerges) out.push_back(left + right);
  return out;
}

Json settings() {
  Json out = parse_json(R"({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
      "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]},
      "model": {"type": "BPE", "unk_token": null, "vocab": {"merges": 1, "vocab": 2}}})",
                        "test");
  const std::vector<std::string> all = pieces();
  for (int id = 0; id < 6; ++id) {
    out["added_tokens"].push_back(
        {{"id", id}, {"content", all[id]}, {"special", true}, {"lstrip", all[id] == "<mask>"}});
  }
  for (const auto& [left, right] : kMerges)
    out["model"]["merges"].push_back(Json::array({left, right}));
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
    "BPE", "", [] {
      return TokenizerExample{pieces(), settings().dump(), {"the", "tops", ",", "café"}};
    }};

TEST(Bpe, JoinsWhatWasLearntFirst) {
  EXPECT_THAT(spelled(*made(), "the top"), ElementsAre("the", "Ġtop"));
  EXPECT_THAT(spelled(*made(), "thop"), ElementsAre("th", "op"));
}

TEST(Bpe, KeepsTheSpaceBeforeAWord) {
  EXPECT_THAT(spelled(*made(), "the"), ElementsAre("the"));
  EXPECT_THAT(spelled(*made(), "the", Before::space), ElementsAre("Ġthe"));
  EXPECT_THAT(spelled(*made(), " the", Before::space), ElementsAre("Ġthe"));
  EXPECT_THAT(spelled(*made(), "", Before::space), ElementsAre());
}

TEST(Bpe, PutsASpaceOfItsOwnWhereItsFileSaysSo) {
  Json json = settings();
  json["pre_tokenizer"]["add_prefix_space"] = true;
  for (const Before before : {Before::nothing, Before::space})
    EXPECT_THAT(spelled(*made(json), "the", before), ElementsAre("Ġthe"));
}

TEST(Bpe, CutsWordsAsGpt2Does) {
  EXPECT_THAT(words_by(WordPattern::gpt2, "it's 12x  they've\t\n"),
              ElementsAre("it", "'s", " 12", "x", " ", " they", "'ve", "\t\n"));
  EXPECT_THAT(words_by(WordPattern::gpt2, "a\t b\u00a0c ?!"),
              ElementsAre("a", "\t", " b", "\u00a0", "c", " ?!"));
}

TEST(Bpe, SpecialPiecesTakeNoSpaceAndAMaskTheOneBeforeIt) {
  EXPECT_THAT(spelled(*made(), "</s>", Before::space), ElementsAre("</s>"));
  EXPECT_THAT(spelled(*made(), "the <mask> </s>"), ElementsAre("the", "<mask>", "Ġ", "</s>"));
}

TEST(Bpe, KnowsWhatItsSpecialPiecesAreFor) {
  const auto roberta = made();
  EXPECT_EQ(roberta->special(Special::begin), 0);
  EXPECT_EQ(roberta->special(Special::end), 2);
  EXPECT_EQ(roberta->special(Special::mask), 4);
  EXPECT_EQ(roberta->special(Special::pad), 1);
  EXPECT_EQ(roberta->special(Special::unknown), 3);
  Json json = settings();  // GPT-2's file names one special piece alone
  json["post_processor"] = {{"type", "ByteLevel"}};
  json["added_tokens"] = Json::array({json["added_tokens"][5]});
  const auto gpt2 = made(json);
  EXPECT_EQ(gpt2->special(Special::end), 5);
  for (const Special role : {Special::begin, Special::mask, Special::pad, Special::unknown})
    EXPECT_EQ(gpt2->special(role), -1);
}

TEST(Bpe, ReadsBackWithoutTheSpaceBeforeTheFirstWord) {
  const auto tokenizer = made();
  const auto read = [&](std::string_view words) {
    const auto ids = tokenizer->pieces_of(words, Before::space);
    return tokenizer->words_of({ids.begin(), ids.end()});
  };
  EXPECT_EQ(read("the café<mask>"), "the café<mask>");
  EXPECT_EQ(tokenizer->words_of({tokenizer->find("Ã")}), "\ufffd");  // half of a letter
}

TEST(Bpe, FilesOfTheFirstYearsWriteMergesAsTexts) {
  Json json = settings();
  for (Json& merge : json["model"]["merges"])
    merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  EXPECT_THAT(spelled(*made(json), "the top"), ElementsAre("the", "Ġtop"));
  json["model"]["merges"].push_back("whole");
  EXPECT_ERROR(made(json), Fault::data, "no pair");
}

// As Llama 2 has it.
TEST(Bpe, JoinsCharactersAndSpellsTheOthersInBytes) {
  std::vector<std::string> all{"<unk>", "<0xC3>", "<0xA9>", "▁", "t", "o", "▁t", "▁to"};
  Json json = settings();
  json["added_tokens"] = Json::array();
  json["post_processor"] = nullptr;
  json["pre_tokenizer"] = nullptr;
  json["normalizer"] = parse_json(
      R"({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
          {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]})",
      "test");
  json["model"] = parse_json(R"({"type": "BPE", "unk_token": "<unk>", "fuse_unk": true,
      "byte_fallback": true, "merges": ["▁ t", "▁t o"]})",
                             "test");
  const auto tokenizer = tokenizer_of(all, json.dump(), "test");
  EXPECT_THAT(spelled(*tokenizer, "to té"), ElementsAre("▁to", "▁t", "<0xC3>", "<0xA9>"));
  EXPECT_THAT(spelled(*tokenizer, "to", Before::space), ElementsAre("▁to"));
  EXPECT_THAT(spelled(*tokenizer, "xyo"), ElementsAre("▁", "<unk>", "o"));
  EXPECT_EQ(tokenizer->words_of({7, 6, 1, 2}), "to té");
  json["model"]["fuse_unk"] = false;
  EXPECT_THAT(spelled(*tokenizer_of(all, json.dump(), "test"), "xy"),
              ElementsAre("▁", "<unk>", "<unk>"));
}

TEST(Bpe, CutsByThePatternsOfNewerModels) {
  using Words = std::vector<std::string_view>;
  const std::string_view text = "I'LL see 1234!?\n\n  go";
  EXPECT_EQ(words_by(WordPattern::llama3, text),
            (Words{"I", "'LL", " see", " ", "123", "4", "!?\n\n", " ", " go"}));
  EXPECT_EQ(words_by(WordPattern::qwen2, "12 (a) \r\n x"),
            (Words{"1", "2", " (", "a", ")", " \r\n", " x"}));
  EXPECT_EQ(words_by(WordPattern::gpt2, "I'LL 12  x"), (Words{"I", "'", "LL", " 12", " ", " x"}));
}

TEST(Bpe, RefusesWhatItCannotDo) {
  const auto refused = [](const char* key, const Json& value, const char* said) {
    Json json = settings();
    (json.contains(key) ? json[key] : json["model"][key]) = value;
    EXPECT_ERROR(made(json), Fault::data, said);
  };
  refused("pre_tokenizer", {{"type", "Whitespace"}}, "Whitespace");
  const Json bytes{{"type", "ByteLevel"}, {"use_regex", false}};
  const Json digits{{"type", "Digits"}};
  const Json cut{{"type", "Split"}, {"pattern", {{"Regex", "\\w+"}}}, {"behavior", "Isolated"}};
  for (const auto& [step, said] : {std::pair(digits, "Digits"), std::pair(cut, "w+")}) {
    refused("pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", Json::array({step, bytes})}},
            said);
  }
  refused("end_of_word_suffix", "</w>", "</w>");
  refused("dropout", 0.1, "chance");
  refused("merges", Json::array({Json::array({"x", "y"})}), "\"xy\"");
  refused("merges", 7, "");
  refused("added_tokens", Json::array({Json::object()}), "id");
}

}  // namespace
}  // namespace metaloom::testing
