// Stores as `metaloom data` makes them: written by tools/data, read here.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "core/registry.h"
#include "tests/sampler/made_stores.h"

namespace metaloom::testing {
namespace {

using ::testing::ElementsAre;

/// A word-piece tokenizer of a handful of words; line number = id.
constexpr const char* kTokenizer = R"({"version": "1.0", "truncation": null, "padding": null,
 "added_tokens": [], "normalizer": {"type": "Lowercase"},
 "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
 "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
  "max_input_chars_per_word": 100, "vocab": {"[PAD]": 0, "[UNK]": 1, "play": 2, "##ing": 3,
  "a": 4, "song": 5, "rain": 6, "today": 7, "weather": 8, "music": 9, "no": 10, "yes": 11}}})";

class PythonStore : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* python = std::getenv("METALOOM_PYTHON");
    if (python == nullptr || !std::filesystem::exists("tools/data/__main__.py"))
      GTEST_SKIP() << "run by ctest, which names the Python (METALOOM_PYTHON)";
    python_ = python;
    save("tokenizer.json", kTokenizer);
  }

  void save(const std::string& name, const std::string& text) const {
    std::ofstream(folder_.path() / name) << text;
  }

  void prepare() const {
    const std::string folder = folder_.path().string();
    const std::string command = fmt::format(
        "{0} -m tools.data prepare {1}/sets.toml --out {1}/out --tokenizer {1}/tokenizer.json "
        ">{1}/log 2>&1",
        python_, folder);
    ASSERT_EQ(std::system(command.c_str()), 0) << read_text(folder_.path() / "log");
  }

  TemporaryFolder folder_;
  std::string python_;
};

TEST_F(PythonStore, IsReadAsItWasMeant) {
  save("sets.toml", R"(max_tokens = 4
[datasets.mood]
family = "classification"
train = "mood.jsonl"
text_pair = "second"
source = "made here"
licence = "none"
[datasets.next]
family = "multiple_choice"
train = "next.jsonl"
source = "made here"
licence = "none"
)");
  save("mood.jsonl", R"({"text": "Playing a song", "second": "rain", "label": "music"}
{"text": "a a a a a a", "second": "today", "label": "weather"}
)");
  save("next.jsonl", R"({"context": "rain", "choices": ["no", "yes", "a song"], "answer": 2}
)");
  prepare();

  MixOptions options;
  options.root = (folder_.path() / "out").string();
  options.datasets = {"*"};
  const Mix mix(options, Rng(0));
  ASSERT_EQ(mix.datasets(), 2);
  const TokenStore& mood = mix.store(0);
  EXPECT_EQ(mood.info().name, "mood");
  EXPECT_EQ(mood.info().tokenizer_digest.size(), 64u);
  EXPECT_THAT(mood.info().labels, ElementsAre("music", "weather"));
  EXPECT_THAT(mood.info().label_words.at(0), ElementsAre(ElementsAre(9)));
  ASSERT_EQ(mood.rows(Split::train), 2);
  EXPECT_EQ(mood.rows(Split::test), 0);
  const Example first = mood.example(Split::train, 0), second = mood.example(Split::train, 1);
  EXPECT_EQ(first.target.label, 0);
  EXPECT_THAT(first.segments[0], ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(first.segments[1], ElementsAre(6));
  EXPECT_THAT(second.segments[0], ElementsAre(4, 4, 4, 4)) << "cut at max_tokens";

  const Task task = mix.draw(TaskId{1, Split::train, Half::all, 0, 0});
  ASSERT_EQ(task.query.size(), 1u);
  EXPECT_EQ(task.query[0].target.label, 2);
  ASSERT_EQ(task.query[0].segments.size(), 4u);
  EXPECT_THAT(task.query[0].segments[3], ElementsAre(4, 5));
  EXPECT_TRUE(mix.evaluation(0, Split::test, 0).empty());
}

TEST_F(PythonStore, TwinsHaveEqualDigests) {
  const char* set = R"(
[datasets.{0}]
family = "classification"
train = "{0}.jsonl"
source = "made here"
licence = "none"
)";
  save("sets.toml", fmt::format(fmt::runtime(set), "one") + fmt::format(fmt::runtime(set), "two"));
  save("one.jsonl", R"({"text": "rain  today", "label": "yes"}
{"text": "a song", "label": "no"}
)");
  save("two.jsonl", R"({"text": "no song", "label": "yes"}
{"text": " Rain\ttoday ", "label": "no"}
)");
  prepare();
  const TokenStore one(folder_.path() / "out" / "one.h5"), two(folder_.path() / "out" / "two.h5");
  const auto a = one.text_digests(Split::train), b = two.text_digests(Split::train);
  EXPECT_EQ(a[0], b[1]) << "spacing and case make no difference";
  EXPECT_NE(a[1], b[0]);
}

// Was not known to anybody: a test text that train has, too, is scored like any other.
TEST_F(PythonStore, SaysWhatItsSplitsShareWhereThatIsAllowed) {
  save("sets.toml", R"(dirty_rows = "allow"
[datasets.mood]
family = "classification"
train = "mood.jsonl"
validation = "other.jsonl"
test = "mood.jsonl"
source = "made here"
licence = "none"
)");
  save("mood.jsonl", R"({"text": "a song", "label": "yes"}
{"text": "rain", "label": "no"}
)");
  save("other.jsonl", R"({"text": "no song", "label": "no"}
)");
  prepare();
  const TokenStore mood(folder_.path() / "out" / "mood.h5");
  EXPECT_THAT(mood.info().shared_texts, ElementsAre(0, 0, 2));
}

}  // namespace
}  // namespace metaloom::testing
