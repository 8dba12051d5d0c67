// A token store gives back what was written, and refuses every damage by name.
#include "sampler/store/token_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "tests/sampler/made_stores.h"

namespace metaloom::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(TokenStore, GivesBackWhatWasWritten) {
  TemporaryFolder folder;
  StoreArrays made;
  made.labels = {"no", "yes"};
  made.split(Split::train).add({3}, 1);
  made.split(Split::train).add({2, 4}, 0);
  made.split(Split::test).add({1}, -1);
  const TokenStore store(write(made, folder.path()));

  EXPECT_EQ(store.info().name, "made");
  EXPECT_EQ(store.info().family, "classification");
  EXPECT_EQ(store.info().tokenizer_digest, "t0");
  EXPECT_EQ(store.info().store_digest.size(), 16u);
  EXPECT_THAT(store.info().labels, ElementsAre("no", "yes"));
  EXPECT_THAT(store.info().label_words.at(1).at(0), ElementsAre(11));
  EXPECT_EQ(store.rows(Split::train), 2);
  EXPECT_EQ(store.rows(Split::validation), 0);
  EXPECT_EQ(store.rows(Split::test), 1);

  const Example pair = store.example(Split::train, 1);
  EXPECT_EQ(pair.row, 1);
  EXPECT_EQ(pair.target.label, 0);
  ASSERT_EQ(pair.segments.size(), 2u);
  EXPECT_THAT(pair.segments[0], ElementsAre(103, 104));
  EXPECT_THAT(pair.segments[1], ElementsAre(105, 106, 107, 108));
  EXPECT_EQ(store.segments(Split::train, 1), 2);
  EXPECT_EQ(store.segment_tokens(Split::train, 1, 1), 4);
  EXPECT_EQ(store.row_tokens(Split::train, 1), 6);
  EXPECT_EQ(store.label(Split::test, 0), -1) << "a row to be labelled";
  EXPECT_THAT(store.text_digests(Split::train),
              ElementsAre(made.split(Split::train).text_digests[0],
                          made.split(Split::train).text_digests[1]));
}

TEST(TokenStore, RowsOutsideTheSplitAreRefused) {
  TemporaryFolder folder;
  const TokenStore store(write(sample("classification"), folder.path()));
  for (const std::int64_t row : {-1, 10})
    EXPECT_THAT(error_of(Fault::internal, [&] { store.example(Split::validation, row); }),
                HasSubstr("split validation"));
}

TEST(TokenStore, MissingFilesAreNamed) {
  TemporaryFolder folder;
  const auto file = folder.path() / "none.h5";
  EXPECT_THAT(error_of(Fault::data, [&] { TokenStore store(file); }), HasSubstr("none.h5"));
  write(sample("classification"), folder.path());
  std::filesystem::remove(folder.path() / "made.json");
  EXPECT_THAT(error_of(Fault::data, [&] { TokenStore store(folder.path() / "made.h5"); }),
              HasSubstr("made.json"));
}

/// Damage that the digest must see: the bytes are not those of the manifest.
TEST(TokenStore, ChangedBytesAreSeenBeforeAnythingIsParsed) {
  struct Damage {
    const char* name;
    std::function<void(std::string& bytes)> act;
    const char* says;
  };
  const Damage table[] = {
      {"cut short", [](std::string& b) { b.resize(b.size() / 2); }, "cut short"},
      {"one byte missing", [](std::string& b) { b.pop_back(); }, "cut short"},
      {"empty", [](std::string& b) { b.clear(); }, "made.h5"},
      {"one byte too many", [](std::string& b) { b.push_back('x'); }, "bytes"},
      {"first byte flipped", [](std::string& b) { b.front() ^= 1; }, "digest"},
      {"a middle bit flipped", [](std::string& b) { b[b.size() / 2] ^= 64; }, "digest"},
      {"last byte flipped", [](std::string& b) { b.back() ^= 1; }, "digest"},
      {"a block of zeros", [](std::string& b) { b.replace(512, 512, 512, '\0'); }, "digest"},
  };
  for (const Damage& damage : table) {
    SCOPED_TRACE(damage.name);
    TemporaryFolder folder;
    const auto file = write(sample("classification"), folder.path());
    std::string bytes = read_text(file);
    damage.act(bytes);
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
    const std::string message = error_of(Fault::data, [&] { TokenStore store(file); });
    EXPECT_THAT(message, HasSubstr(damage.says));
    EXPECT_THAT(message, HasSubstr("made.h5"));
  }
}

TEST(TokenStore, WrongManifestsAreRefused) {
  const auto replace = [](std::string& text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    ASSERT_NE(at, text.npos) << from;
    text.replace(at, from.size(), to);
  };
  const std::tuple<const char*, std::function<void(std::string&)>, const char*> table[] = {
      {"no JSON", [](auto& m) { m.resize(m.size() - 2); }, "made.json"},
      {"an array", [](auto& m) { m = "[1, 2]"; }, "\"bytes\""},
      {"no digest", [&](auto& m) { replace(m, "xxh3_64", "xxh3_63"); }, "\"xxh3_64\""},
      {"bytes as text", [&](auto& m) { replace(m, "\"bytes\":", "\"bytes\":\"9\",\"x\":"); },
       "\"bytes\""},
      {"other rows", [&](auto& m) { replace(m, "\"train\":75", "\"train\":74"); }, "split train"},
      {"no rows", [&](auto& m) { replace(m, "\"test\":", "\"tests\":"); }, "\"test\""},
  };
  for (const auto& [name, act, says] : table) {
    SCOPED_TRACE(name);
    TemporaryFolder folder;
    const auto file = write(sample("classification"), folder.path());
    std::string manifest = read_text(folder.path() / "made.json");
    act(manifest);
    std::ofstream(folder.path() / "made.json", std::ios::trunc) << manifest;
    EXPECT_THAT(error_of(Fault::data, [&] { TokenStore store(file); }), HasSubstr(says));
  }
}

TEST(TokenStore, AnotherStoreUnderTheNameIsSeen) {
  TemporaryFolder folder, other;
  const auto file = write(sample("classification"), folder.path());
  write(sample("classification", "made", 76), other.path());
  std::filesystem::copy_file(other.path() / "made.h5", file,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(error_of(Fault::data, [&] { TokenStore store(file); }), HasSubstr("manifest"));
}

/// Stores whose digest is right and whose contents are not.
TEST(TokenStore, InconsistentContentsAreNamedByRow) {
  struct Spoilt {
    const char* name;
    std::function<void(StoreArrays&)> act;
    std::vector<const char*> says;
  };
  const auto train = [](StoreArrays& s) -> SplitArrays& { return s.split(Split::train); };
  const Spoilt table[] = {
      {"label too high",
       [&](auto& s) { train(s).labels[7] = 4; },
       {"split train, row 7", "label 4"}},
      {"label below -1", [&](auto& s) { train(s).labels[3] = -2; }, {"split train, row 3"}},
      {"negative token", [&](auto& s) { train(s).tokens[0] = -5; }, {"split train, row 0", "-5"}},
      {"last token negative", [&](auto& s) { train(s).tokens.back() = -1; }, {"row 74"}},
      {"offsets fall", [&](auto& s) { train(s).segment_offsets[5] = 0; }, {"split train"}},
      {"offset far outside",
       [&](auto& s) { train(s).segment_offsets[5] = std::int64_t{1} << 40; },
       {"split train"}},
      {"negative offset", [&](auto& s) { train(s).segment_offsets[1] = -8; }, {"row 0"}},
      {"first offset not 0", [&](auto& s) { train(s).segment_offsets[0] = 1; }, {"start at 0"}},
      {"last offset too low",
       [&](auto& s) { train(s).segment_offsets.back() -= 1; },
       {"split train"}},
      {"no offsets", [&](auto& s) { train(s).segment_offsets.clear(); }, {"split train"}},
      {"a text of zero tokens",
       [&](auto& s) { train(s).segment_offsets[2] = train(s).segment_offsets[1]; },
       {"zero tokens"}},
      {"a row without a text",
       [&](auto& s) { train(s).row_segments[9] = train(s).row_segments[8]; },
       {"split train, row 8"}},
      {"row offsets fall", [&](auto& s) { train(s).row_segments[9] = 1; }, {"row 8"}},
      {"row offsets end late",
       [&](auto& s) { train(s).row_segments.back() += 1; },
       {"split train"}},
      {"row offset huge",
       [&](auto& s) { train(s).row_segments[1] = std::int64_t{1} << 62; },
       {"split train"}},
      {"a digest missing", [&](auto& s) { train(s).text_digests.pop_back(); }, {"74 text digests"}},
      {"a label missing", [&](auto& s) { train(s).labels.pop_back(); }, {"split train"}},
      {"in another split",
       [&](auto& s) { s.split(Split::test).labels[20] = 9; },
       {"split test, row 20"}},
  };
  for (const Spoilt& spoilt : table) {
    SCOPED_TRACE(spoilt.name);
    TemporaryFolder folder;
    StoreArrays made = sample("classification");
    spoilt.act(made);
    const auto file = write(made, folder.path());
    const std::string message = error_of(Fault::data, [&] { TokenStore store(file); });
    for (const char* part : spoilt.says) EXPECT_THAT(message, HasSubstr(part));
    EXPECT_THAT(message, HasSubstr("made.h5"));
    EXPECT_THAT(message, HasSubstr("metaloom data")) << "the cure";
  }
}

TEST(TokenStore, ARightChoiceOutsideTheCandidatesIsRefused) {
  TemporaryFolder folder;
  StoreArrays made = sample("multiple_choice");
  made.split(Split::validation).labels[2] = 4;  // row 2 has candidates 0..3
  EXPECT_THAT(error_of(Fault::data, [&] { TokenStore store(write(made, folder.path())); }),
              HasSubstr("split validation, row 2"));
}

TEST(TokenStore, WrongTreesAreRefused) {
  const auto meta_with = [](const std::string& from, const std::string& to) {
    return [=](Archive& tree) {
      std::string text = tree.text("meta");
      const auto at = text.find(from);
      ASSERT_NE(at, text.npos) << from;
      tree.put_text("meta", text.replace(at, from.size(), to));
    };
  };
  const std::tuple<const char*, std::function<void(Archive&)>, const char*> table[] = {
      {"another format", meta_with("metaloom-tokens", "metaloom-model"), "not a token store"},
      {"a later version", meta_with("\"version\":1", "\"version\":2"), "version 2"},
      {"labels of another type", meta_with("[\"red\",", "[7,"), "\"labels\""},
      {"a label without words", meta_with("[[10]],", ""), "words for 3"},
      {"a negative word piece", meta_with("[[10]]", "[[-1]]"), "\"red\""},
      {"no JSON", [](auto& tree) { tree.put_text("meta", "{"); }, "meta"},
      {"tokens as text", [](auto& tree) { tree.put_text("train/tokens", "abc"); }, "train/tokens"},
      {"labels as 64 bits",
       [](auto& tree) { tree.put("train/labels", tree.get("train/row_segments")); },
       "train/labels"},
  };
  for (const auto& [name, act, says] : table) {
    SCOPED_TRACE(name);
    TemporaryFolder folder;
    Archive tree = sample("classification").archive();
    act(tree);
    const auto file = write(tree, folder.path() / "made.h5", {75, 10, 21});
    EXPECT_THAT(error_of(Fault::data, [&] { TokenStore store(file); }), HasSubstr(says));
  }
}

}  // namespace
}  // namespace metaloom::testing
