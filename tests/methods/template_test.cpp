// Frames, piece by piece: what the model sees of a row, where its [MASK] and soft tokens are, what
// is cut when it is long, and what a template must not be.
#include "methods/cloze/template.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/core/expect_error.h"
#include "tests/methods/tiny_batches.h"

namespace metaloom {
namespace {

/// A model that wants its rows framed like that; nothing else is asked of it.
class OtherFraming final : public Backbone {
 public:
  explicit OtherFraming(Framing framing) : framing_(std::move(framing)) {}
  Framing framing() const override { return framing_; }
  HubLayout hub_layout() const override { return {}; }
  Geometry geometry() const override { return {}; }
  std::vector<Parameter> parameters() const override { return {}; }
  at::Tensor encode(const Weights&, const Batch&, const ForwardOptions&) const override {
    return {};
  }
  at::Tensor encode_below(const Weights&, const Batch&, int) const override { return {}; }
  at::Tensor pooled(const Weights&, const at::Tensor&) const override { return {}; }
  at::Tensor word_logits(const Weights&, const at::Tensor&, const at::Tensor&) const override {
    return {};
  }
  std::string word_table() const override { return {}; }
  std::vector<std::string> word_rows() const override { return {}; }
  Cost cost(const Pass&, at::ScalarType) const override { return {}; }

 private:
  Framing framing_;
};

Pretrained framed_as(Framing framing) {
  Pretrained out = tiny_bert(1);
  out.backbone = std::make_unique<OtherFraming>(std::move(framing));
  return out;
}

class TemplateTest : public ::testing::Test {
 protected:
  static std::vector<std::int32_t> words(std::int32_t first, int count) {
    std::vector<std::int32_t> out;
    for (int i = 0; i < count; ++i) out.push_back(first + i);
    return out;
  }
  std::string shown(const Batch& batch, std::int64_t row) const {
    std::string out;
    for (std::int64_t l = 0; l < batch.length_R[row].item<std::int64_t>(); ++l) {
      const auto id = batch.ids_RL[row][l].item<std::int64_t>();
      out += (out.empty() ? "" : " ") + tokenizer_.piece(id);
    }
    return out;
  }
  static std::vector<std::int64_t> numbers(const at::Tensor& t) {
    const at::Tensor flat = t.contiguous();
    return {flat.data_ptr<std::int64_t>(), flat.data_ptr<std::int64_t>() + flat.numel()};
  }

  Pretrained pretrained_ = tiny_bert(1);
  const Tokenizer& tokenizer_ = *pretrained_.tokenizer;
  std::int32_t w_ = tokenizer_.find("w20");
  std::vector<std::int32_t> three_ = words(w_, 3), two_ = words(w_ + 5, 2), ten_ = words(w_, 10);
};

TEST_F(TemplateTest, PlainFramesHaveTypesAndLengths) {
  const Template frame = Template::plain(pretrained_, 12);
  const Example text{{three_}, 0, 0}, pair{{two_, three_}, 0, 1};
  const Batch batch = frame.frame({&text, &pair}, 1);
  EXPECT_EQ(shown(batch, 0), "[CLS] w20 w21 w22 [SEP]");
  EXPECT_EQ(shown(batch, 1), "[CLS] w25 w26 [SEP] w20 w21 w22 [SEP]");
  EXPECT_EQ(numbers(batch.segments_RL[1]), (std::vector<std::int64_t>{0, 0, 0, 0, 1, 1, 1, 1}));
  EXPECT_EQ(numbers(batch.segments_RL[0]), (std::vector<std::int64_t>(8, 0)));
  EXPECT_EQ(numbers(batch.length_R), (std::vector<std::int64_t>{5, 8}));
  EXPECT_EQ(numbers(batch.ids_RL[0].slice(0, 5)),
            (std::vector<std::int64_t>(3, tokenizer_.special(Special::pad))));
  EXPECT_EQ(batch.tokens, 13);
  EXPECT_EQ(numbers(batch.read_at_R), (std::vector<std::int64_t>{0, 0}));
  EXPECT_FALSE(batch.slot_RL.defined());
}

TEST_F(TemplateTest, WordsSoftTokensAndTheMaskStandWhereTheyAreWritten) {
  const Template frame("<soft:2> {text} , the topic is <soft> [MASK] .", pretrained_, 20);
  const Example text{{three_}, 0, 0}, other{{two_}, 0, 1};
  const Batch batch = frame.frame({&text, &other}, 2);
  EXPECT_EQ(frame.soft_tokens(), 3);
  EXPECT_EQ(frame.frame_tokens(), 11);
  EXPECT_EQ(shown(batch, 0), "[CLS] [UNK] [UNK] w20 w21 w22 , the topic is [UNK] [MASK] . [SEP]");
  EXPECT_EQ(numbers(batch.slot_RL[0]),
            (std::vector<std::int64_t>{-1, 0, 1, -1, -1, -1, -1, -1, -1, -1, 2, -1, -1, -1}));
  EXPECT_EQ(numbers(batch.read_at_R), (std::vector<std::int64_t>{11, 10}));
  EXPECT_EQ(batch.tasks, 2);
  EXPECT_TRUE(batch.segments_RL.eq(0).all().item<bool>());
}

TEST_F(TemplateTest, AMaskInTheTextIsNotTheTemplatesMask) {
  const Template frame("{text} is [MASK]", pretrained_, 20);
  std::vector<std::int32_t> masked = three_;
  masked[1] = tokenizer_.special(Special::mask);
  const Example text{{masked}, 0, 0};
  EXPECT_EQ(numbers(frame.frame({&text}, 1).read_at_R), (std::vector<std::int64_t>{5}));
}

TEST_F(TemplateTest, APairStandsInsideATemplateAndMayBeAbsent) {
  const Template frame("{text} ? [MASK] , {pair}", pretrained_, 20);
  const Example pair{{three_, two_}, 0, 0}, single{{three_}, 0, 1};
  const Batch batch = frame.frame({&pair, &single}, 1);
  EXPECT_EQ(shown(batch, 0), "[CLS] w20 w21 w22 ? [MASK] , w25 w26 [SEP]");
  EXPECT_EQ(shown(batch, 1), "[CLS] w20 w21 w22 ? [MASK] , [SEP]");
}

TEST_F(TemplateTest, APairThatTheTemplateDoesNotShowIsRefused) {
  const Template single("{text} [MASK]", pretrained_, 16);
  const Example pair{{three_, two_}, 0, 0};
  EXPECT_ERROR(single.frame({&pair}, 1), Fault::usage, "rows are pairs", "{pair}");
}

TEST_F(TemplateTest, LongTextsAreCutFromTheRightTheLongerOneFirst) {
  const Template plain = Template::plain(pretrained_, 10);  // room for 7
  const Example text{{ten_}, 0, 0}, long_text{{ten_, two_}, 0, 1}, long_pair{{two_, ten_}, 0, 2},
      both{{ten_, ten_}, 0, 3};
  EXPECT_EQ(shown(plain.frame({&long_text}, 1), 0),
            "[CLS] w20 w21 w22 w23 w24 [SEP] w25 w26 [SEP]");
  EXPECT_EQ(shown(plain.frame({&long_pair}, 1), 0),
            "[CLS] w25 w26 [SEP] w20 w21 w22 w23 w24 [SEP]");
  EXPECT_EQ(shown(plain.frame({&both}, 1), 0), "[CLS] w20 w21 w22 [SEP] w20 w21 w22 w23 [SEP]");
  EXPECT_EQ(shown(plain.frame({&text}, 1), 0), "[CLS] w20 w21 w22 w23 w24 w25 w26 w27 [SEP]");
  const Template frame("{text} is [MASK] .", pretrained_, 10);  // room for 5, [MASK] stays
  EXPECT_EQ(shown(frame.frame({&text}, 1), 0), "[CLS] w20 w21 w22 w23 w24 is [MASK] . [SEP]");
}

TEST_F(TemplateTest, EveryCandidateIsARowWithItsContext) {
  const Template frame = Template::plain(pretrained_, 20);
  const std::vector<std::int32_t> one{w_ + 9};
  const Example question{{three_, two_, one}, 1, 0};
  const Batch batch = frame.frame_choices({&question}, 1);
  ASSERT_EQ(batch.rows(), 2);
  EXPECT_EQ(shown(batch, 0), "[CLS] w20 w21 w22 [SEP] w25 w26 [SEP]");
  EXPECT_EQ(shown(batch, 1), "[CLS] w20 w21 w22 [SEP] w29 [SEP]");
}

// RoBERTa's frame: two pieces part the texts, tokens have no types.
TEST_F(TemplateTest, AFrameIsTheBackbones) {
  const Pretrained roberta = framed_as({.before = {Special::begin},
                                        .between = {Special::end, Special::end},
                                        .after = {Special::end}});
  const Template plain = Template::plain(roberta, 20);
  const Example text{{three_}, 0, 0}, pair{{two_, three_}, 0, 1};
  const Batch batch = plain.frame({&text, &pair}, 1);
  EXPECT_EQ(plain.frame_tokens(), 4);
  EXPECT_EQ(shown(batch, 0), "[CLS] w20 w21 w22 [SEP]");
  EXPECT_EQ(shown(batch, 1), "[CLS] w25 w26 [SEP] [SEP] w20 w21 w22 [SEP]");
  EXPECT_FALSE(batch.segments_RL.defined());
  EXPECT_TRUE(plain.is_frame(tokenizer_.special(Special::end)));
  EXPECT_FALSE(plain.is_frame(tokenizer_.special(Special::mask)));
  const Template cloze("{text} [SEP] [SEP] [MASK] {pair}", roberta, 20);
  EXPECT_EQ(shown(cloze.frame({&text}, 1), 0), "[CLS] w20 w21 w22 [SEP] [SEP] [MASK] [SEP]");
  const Template parted("{text} [MASK] [SEP] [SEP] {pair}", roberta, 20);
  EXPECT_EQ(shown(parted.frame({&text}, 1), 0), "[CLS] w20 w21 w22 [MASK] [SEP]");
}

// A causal model answers behind the last word, and stands for a row at its last piece.
TEST_F(TemplateTest, AModelThatForetellsIsReadAtItsLastPiece) {
  const Pretrained causal = framed_as({.row = ReadAt::last, .answer = ReadAt::last});
  const Example text{{three_}, 0, 0}, other{{two_}, 0, 1};
  const Template cloze("{text} the topic is", causal, 20);
  const Batch batch = cloze.frame({&text, &other}, 1);
  EXPECT_EQ(shown(batch, 0), "w20 w21 w22 the topic is");
  EXPECT_EQ(numbers(batch.read_at_R), (std::vector<std::int64_t>{5, 4}));
  EXPECT_EQ(numbers(Template::plain(causal, 20).frame({&text, &other}, 1).read_at_R),
            (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(Template::usual("{text} is [MASK] .", causal), "{text} is");
  EXPECT_EQ(Template::usual("{text} is [MASK] .", framed_as({})), "{text} is [MASK] .");
  EXPECT_ERROR(Template("{text} is [MASK]", causal, 20), Fault::usage, "next word", "Leave it out");
}

TEST_F(TemplateTest, TheMaskHasTwoNamesAndMayStandFirst) {
  const Example text{{three_}, 0, 0};
  const Template first("{mask} is {text}", pretrained_, 20);
  const Template later("{text} is [MASK]", pretrained_, 20);
  EXPECT_EQ(shown(first.frame({&text}, 1), 0), "[CLS] [MASK] is w20 w21 w22 [SEP]");
  EXPECT_TRUE(first.answer_begins());
  EXPECT_FALSE(later.answer_begins());
}

TEST_F(TemplateTest, BadTemplatesAreRefusedWithTheirCure) {
  const auto make = [&](const char* words, std::int64_t length = 20) {
    return [this, words, length] { Template(words, pretrained_, length); };
  };
  EXPECT_ERROR(make("the topic is [MASK]")(), Fault::usage, "{text}");
  EXPECT_ERROR(make("{text} {text} [MASK]")(), Fault::usage, "{text}");
  EXPECT_ERROR(make("{text} is")(), Fault::usage, "[MASK]");
  EXPECT_ERROR(make("{text} [MASK] [MASK]")(), Fault::usage, "[MASK]");
  EXPECT_ERROR(make("{text} zebra [MASK]")(), Fault::usage, "zebra", "vocabulary");
  EXPECT_ERROR(make("<soft:0> {text} [MASK]")(), Fault::usage, "<soft:0>");
  EXPECT_ERROR(make("<soft:x> {text} [MASK]")(), Fault::usage, "<soft:x>");
  EXPECT_ERROR(make("<soft:8> {text} [MASK]", 11)(), Fault::usage, "max_length");
}

}  // namespace
}  // namespace metaloom
