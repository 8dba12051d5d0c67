// A store in shards is the store of one file: the same tasks, the same content. What is damaged in
// it is refused when it is first used, by the name of the shard, and what is not used is not read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/digest.h"
#include "core/json.h"
#include "core/registry.h"
#include "tests/sampler/made_shards.h"

namespace metaloom::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

namespace fs = std::filesystem;

class Shards : public ::testing::TestWithParam<std::string> {
 protected:
  Mix mix(const TemporaryFolder& folder) const {
    MixOptions options;
    options.root = folder.path().string();
    options.datasets = {"*"};
    options.slots = 5;
    options.task.batch = 4;
    options.task.ways = 3;
    options.task.queries = 2;
    options.left_out["made"][Split::validation] = {0, 7};
    return {options, Rng(3)};
  }
  TemporaryFolder one_, many_;
};

std::string all_of(const Mix& mix) {
  std::string out;
  for (const Half half : {Half::all, Half::first, Half::second})
    for (std::int64_t step = 0; step < 7; ++step)
      for (const Pack& pack : mix.plan(step, half))
        for (const TaskId& id : pack.tasks)
          out += describe(mix.draw(id)) + std::to_string(mix.shape(id).query_tokens) + "\n";
  for (const Split split : kSplits)
    for (const TaskId& id : mix.evaluation(0, split, 0)) out += describe(mix.draw(id)) + "\n";
  return out;
}

TEST_P(Shards, HoldTheTasksAndTheContentOfOneFile) {
  const StoreArrays made = sample(GetParam());
  write(made, one_.path());
  for (const std::int64_t rows : {1, 7, 40, 1000}) {
    SCOPED_TRACE(rows);
    const TemporaryFolder folder;
    write_shards(made, folder.path(), rows);
    const Mix whole = mix(one_), cut = mix(folder);
    EXPECT_EQ(all_of(cut), all_of(whole));
    EXPECT_EQ(cut.store(0).content_digest(), whole.store(0).content_digest());
    for (const Split split : kSplits) {
      EXPECT_EQ(cut.store(0).rows(split), whole.store(0).rows(split));
      EXPECT_EQ(cut.store(0).text_digests(split), whole.store(0).text_digests(split));
    }
    EXPECT_NO_THROW(cut.store(0).check());
  }
}

INSTANTIATE_TEST_SUITE_P(Registered, Shards, ::testing::ValuesIn(Registry<TaskFamily>::names()),
                         [](const auto& info) { return info.param; });

class ShardDamage : public ::testing::Test {
 protected:
  ShardDamage() : made_(sample("classification")) {}

  /// Shards of 10 rows, of which 00004.h5 is changed.
  TokenStore store(const std::function<void(std::string& bytes)>& act) {
    const auto file = write_shards(made_, folder_.path(), 10);
    const auto shard = folder_.path() / "made.shards" / "00004.h5";
    std::string bytes = read_text(shard);
    act(bytes);
    std::ofstream(shard, std::ios::binary | std::ios::trunc) << bytes;
    return TokenStore(file);
  }
  /// The bytes of row `row` of that shard's training tokens: their first number, as it is stored.
  static std::size_t token_at(const std::string& bytes, std::int32_t token) {
    return bytes.find(std::string(reinterpret_cast<const char*>(&token), sizeof token));
  }

  TemporaryFolder folder_;
  StoreArrays made_;
};

TEST_F(ShardDamage, IsRefusedWhenItIsFirstUsedAndNoSooner) {
  const std::int32_t token =
      made_.split(Split::train)
          .tokens[static_cast<std::size_t>(made_.split(Split::train)
                                               .segment_offsets[static_cast<std::size_t>(
                                                   made_.split(Split::train).row_segments[45])])];
  const TokenStore store =
      this->store([&](std::string& bytes) { bytes[token_at(bytes, token)] ^= 1; });
  for (std::int64_t row = 0; row < 40; ++row) EXPECT_NO_THROW(store.example(Split::train, row));
  EXPECT_NO_THROW(store.example(Split::validation, 9));
  for (int twice = 0; twice < 2; ++twice)
    EXPECT_THAT(error_of(Fault::data, [&] { store.example(Split::train, 45); }),
                AllOf(HasSubstr("00004.h5"), HasSubstr("digest"), HasSubstr("metaloom data")));
  EXPECT_THAT(error_of(Fault::data, [&] { store.check(); }), HasSubstr("00004.h5"));
}

TEST_F(ShardDamage, EveryFlippedByteOfAColumnIsSeen) {
  const auto file = write_shards(made_, folder_.path(), 10);
  const auto shard = folder_.path() / "made.shards" / "00004.h5";
  const std::string whole = read_text(shard);
  for (const auto& [path, place] : read_layout(shard).places) {
    if (place.count == 0) continue;
    std::string bytes = whole;
    bytes[static_cast<std::size_t>(place.offset)] ^= 4;
    std::ofstream(shard, std::ios::binary | std::ios::trunc) << bytes;
    EXPECT_THAT(error_of(Fault::data, [&] { TokenStore(file).check(); }), HasSubstr("00004.h5"))
        << path;
  }
}

TEST_F(ShardDamage, ASizeOrAFileThatIsWrongIsSeenAtOnce) {
  EXPECT_THAT(error_of(Fault::data, [&] { store([](auto& bytes) { bytes.pop_back(); }); }),
              AllOf(HasSubstr("00004.h5"), HasSubstr("cut short")));
  write_shards(made_, folder_.path(), 10);
  fs::remove(folder_.path() / "made.shards" / "00002.h5");
  EXPECT_THAT(error_of(Fault::data, [&] { TokenStore store(folder_.path() / "made.h5"); }),
              HasSubstr("00002.h5"));
}

TEST_F(ShardDamage, AnIndexThatIsNotTheManifestsIsRefused) {
  const auto file = write_shards(made_, folder_.path(), 10);
  const auto index = folder_.path() / "made.shards" / "index.json";
  std::string text = read_text(index);
  text[text.find("\"label_words\"") + 20] ^= 1;
  std::ofstream(index, std::ios::trunc) << text;
  EXPECT_THAT(error_of(Fault::data, [&] { TokenStore store(file); }),
              AllOf(HasSubstr("index.json"), HasSubstr("digest")));
}

/// An index whose digest is right and that places a column where none can be.
TEST_F(ShardDamage, APlaceThatIsNoneIsRefused) {
  const std::tuple<const char*, Json, const char*> table[] = {
      // What broke: a text among the three numbers was an exception of the JSON library's.
      {"a text", {"0", 1, 4}, "\"train/tokens\""},
      {"an object", {0, 1, Json::object()}, "\"train/tokens\""},
      {"nothing", nullptr, "\"train/tokens\""},
      {"a number", 7, "\"train/tokens\""},
      {"two numbers", {0, 1}, "no place of train/tokens"},
      {"another width", {0, 1, 3}, "train/tokens outside the file"},
      {"a width of more than 32 bits", {0, 1, (std::int64_t{1} << 32) + 4}, "outside the file"},
      {"beyond the end", {0, 1 << 30, 4}, "outside the file"},
      {"before the start", {-4, 1, 4}, "outside the file"},
  };
  for (const auto& [name, place, says] : table) {
    SCOPED_TRACE(name);
    const auto file = write_shards(made_, folder_.path(), 10);
    const auto index = folder_.path() / "made.shards" / "index.json";
    const auto side = folder_.path() / "made.json";
    Json json = parse_json(read_text(index), "index");
    json["shards"][4]["places"]["train/tokens"] = place;
    const std::string text = json.dump();
    std::ofstream(index, std::ios::trunc) << text;
    Json manifest = parse_json(read_text(side), "manifest");
    manifest["bytes"] = text.size();
    manifest["xxh3_64"] = hex(digest(text));
    std::ofstream(side, std::ios::trunc) << manifest.dump();
    EXPECT_THAT(error_of(Fault::data, [&] { TokenStore store(file); }),
                AllOf(HasSubstr("index.json"), HasSubstr(says), HasSubstr("metaloom data")));
  }
}

/// Shards whose digests are right and whose rows are not.
TEST_F(ShardDamage, ARowThatIsNoneIsNamedWhenItIsDrawn) {
  const auto row_of = [&](std::int64_t row) {
    const TokenStore store(write_shards(made_, folder_.path(), 10));
    EXPECT_NO_THROW(store.example(Split::train, 12));
    EXPECT_THROW(store.check(), Error);
    return error_of(Fault::data, [&] { store.example(Split::train, row); });
  };
  made_.split(Split::train).labels[63] = 9;
  EXPECT_THAT(row_of(63), AllOf(HasSubstr("00006.h5, split train, row 3"), HasSubstr("label 9")));
  made_ = sample("classification");
  made_.split(Split::train).tokens.back() = -4;
  EXPECT_THAT(row_of(74), AllOf(HasSubstr("00007.h5, split train, row 4"), HasSubstr("-4")));
}

}  // namespace
}  // namespace metaloom::testing
