// Which pieces stand for a class, by hand, and which classes are refused.
#include "methods/cloze/class_pieces.h"

#include <gtest/gtest.h>

#include "tests/core/expect_error.h"

namespace metaloom {
namespace {

using Words = std::vector<std::vector<std::vector<std::int32_t>>>;  // by class, by word
using Pieces = std::vector<std::vector<std::int32_t>>;              // by class

DatasetInfo made(const Words& words) {
  DatasetInfo out;
  out.name = "made";
  for (std::size_t n = 0; n < words.size(); ++n) out.labels.push_back("class " + std::to_string(n));
  out.label_words = words;
  return out;
}

TEST(ClassPieces, TheFirstPieceOfEachWordAndAllWhereClassesCoincide) {
  struct Row {
    const char* about;
    Words words;
    Pieces expected;
  };
  const std::vector<Row> rows{
      {"first pieces that differ", {{{1, 9}}, {{2, 9}, {3}}}, {{1}, {2, 3}}},
      {"unhelpfulness, unfriendliness: one first piece",
       {{{1, 5, 6}}, {{1, 7}}, {{2, 9}}},
       {{1, 5, 6}, {1, 7}, {2}}},
      {"one set of first pieces in another order",
       {{{1, 5}, {2}}, {{2}, {1}}},
       {{1, 5, 2}, {2, 1}}},
      {"a word once and twice is one mean", {{{1}, {1, 5}}, {{1, 6}}}, {{1, 1, 5}, {1, 6}}},
      {"how often a piece counts tells apart", {{{1}, {1}, {2}}, {{1}, {2}}}, {{1, 1, 2}, {1, 2}}},
      {"all pieces of one equal the first pieces of another",
       {{{1}, {5, 8}}, {{1, 5}}, {{1, 6}}},
       {{1, 5, 8}, {1, 5}, {1, 6}}},
  };
  for (const Row& row : rows) {
    const DatasetInfo dataset = made(row.words);
    const ClassPieces pieces({&dataset});
    for (std::size_t n = 0; n < row.expected.size(); ++n)
      EXPECT_EQ(pieces.of(dataset, static_cast<std::int64_t>(n)), row.expected[n])
          << row.about << ", class " << n;
  }
}

TEST(ClassPieces, AllPiecesWhereTheMeanIsAskedFor) {
  const DatasetInfo dataset = made({{{1, 9}}, {{2, 9}, {3}}});
  const ClassPieces pieces({&dataset}, {.pieces = LabelPieces::mean});
  EXPECT_EQ(pieces.of(dataset, 0), (std::vector<std::int32_t>{1, 9}));
  EXPECT_EQ(pieces.of(dataset, 1), (std::vector<std::int32_t>{2, 9, 3}));
}

// Byte-level pieces: "\u0120" is the space before a word.
TEST(ClassPieces, WordsThatBeginATextAreCutAnew) {
  const std::vector<std::string> all{"<s>", "</s>", "a", "b", "\u0120", "\u0120a", "\u0120b"};
  const auto tokenizer =
      tokenizer_of(all, R"({"model": {"type": "BPE", "merges": ["\u0120 a", "\u0120 b"]},
               "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}})",
                   "test");
  const DatasetInfo dataset = made({{{5}}, {{6, 2}}});
  const ClassPieces within({&dataset});
  EXPECT_EQ(within.of(dataset, 0), (std::vector<std::int32_t>{5}));
  const ClassPieces first({&dataset}, {.at_beginning = tokenizer.get()});
  EXPECT_EQ(first.of(dataset, 0), (std::vector<std::int32_t>{2}));
  EXPECT_EQ(first.of(dataset, 1), (std::vector<std::int32_t>{3}));
}

TEST(ClassPieces, ClassesThatStayEqualAreRefusedWithTheCure) {
  const std::vector<std::pair<const char*, Words>> rows{
      {"C, C++", {{{9}}, {{1}}, {{1}}}},
      {"Cause-Effect(e1,e2), Cause-Effect(e2,e1)", {{{9}}, {{1, 2}, {3}}, {{3}, {1, 2}}}},
      {"one name twice over", {{{9}}, {{1}, {1}}, {{1}}}},
  };
  for (const auto& [about, words] : rows) {
    SCOPED_TRACE(about);
    const DatasetInfo dataset = made(words);
    EXPECT_ERROR(ClassPieces({&dataset}), Fault::data, "\"class 1\"", "\"class 2\"", "made",
                 "label_words");
  }
}

TEST(ClassPieces, ALabelWithoutWordsIsNamed) {
  DatasetInfo dataset = made({{{1}}, {}});
  EXPECT_ERROR(ClassPieces({&dataset}), Fault::data, "\"class 1\"", "made", "label_words");
  dataset.label_words.pop_back();
  EXPECT_ERROR(ClassPieces({&dataset}), Fault::data, "\"class 1\"");
}

}  // namespace
}  // namespace metaloom
