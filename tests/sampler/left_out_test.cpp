// Rows that were trained on can be left out of what is scored: whatever the family, no evaluation
// task holds one, all others are where they were, and training draws what it drew.
#include <gtest/gtest.h>

#include <set>

#include "core/registry.h"
#include "tests/sampler/made_stores.h"

namespace metaloom::testing {
namespace {

class LeftOut : public ::testing::TestWithParam<std::string> {
 protected:
  LeftOut() { write(sample(GetParam()), folder_.path()); }

  Mix mix(const std::set<std::int64_t>& rows = {}) const {
    MixOptions options;
    options.root = folder_.path().string();
    options.datasets = {"made"};
    options.task.batch = 4;
    options.task.ways = 3;
    options.task.queries = 2;
    if (!rows.empty()) options.left_out["made"][Split::validation] = rows;
    return Mix(options, Rng(3));
  }

  /// The rows that an evaluation of the split draws.
  static std::set<std::int64_t> drawn(const Mix& mix, Split split) {
    std::set<std::int64_t> out;
    for (const TaskId& id : mix.evaluation(0, split, 0)) {
      const Task task = mix.draw(id);
      for (const auto* examples : {&task.support, &task.query}) {
        for (const Example& example : *examples) out.insert(example.row);
      }
    }
    return out;
  }

  TemporaryFolder folder_;
};

TEST_P(LeftOut, NoEvaluationHoldsThemAndAllOthersAreThere) {
  const std::set<std::int64_t> gone{0, 3};
  const Mix whole = mix(), part = mix(gone);
  std::set<std::int64_t> expected = drawn(whole, Split::validation);
  EXPECT_TRUE(expected.contains(0) && expected.contains(3));
  for (const std::int64_t row : gone) expected.erase(row);
  EXPECT_EQ(drawn(part, Split::validation), expected);
  EXPECT_EQ(part.store(0).left_out(Split::validation), 2);
  EXPECT_EQ(drawn(part, Split::test), drawn(whole, Split::test));
  for (std::int64_t step = 0; step < 5; ++step) {
    for (const Half half : {Half::all, Half::first, Half::second}) {
      const auto a = whole.plan(step, half), b = part.plan(step, half);
      ASSERT_EQ(a.size(), b.size());
      for (std::size_t p = 0; p < a.size(); ++p) {
        EXPECT_EQ(describe(whole.draw(a[p])[0]), describe(part.draw(b[p])[0]));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Registered, LeftOut, ::testing::ValuesIn(Registry<TaskFamily>::names()),
                         [](const auto& info) { return info.param; });

/// A store's content is what tasks are made of, not where its rows came from.
TEST(Content, IsTheSameWhereverTheRowsCameFrom) {
  const auto digest_of = [](const std::function<void(Archive&)>& change) {
    const TemporaryFolder folder;
    Archive tree = sample("classification").archive();
    change(tree);
    return TokenStore(write(tree, folder.path() / "made.h5", {75, 10, 21})).content_digest();
  };
  const auto meta = [](const std::string& from, const std::string& to) {
    return [=](Archive& tree) {
      std::string text = tree.text("meta");
      const auto at = text.find(from);
      ASSERT_NE(at, std::string::npos) << text;
      tree.put_text("meta", text.replace(at, from.size(), to));
    };
  };
  const std::string plain = digest_of([](Archive&) {});
  EXPECT_EQ(digest_of(meta("\"licence\":\"", "\"licence\":\"else ")), plain);
  EXPECT_NE(digest_of(meta("\"labels\":[\"", "\"labels\":[\"else ")), plain);
  EXPECT_NE(digest_of([](Archive& tree) {
              at::Tensor labels = tree.get("train/labels").clone();
              std::swap(labels.mutable_data_ptr<std::int32_t>()[0],
                        labels.mutable_data_ptr<std::int32_t>()[1]);
              tree.put("train/labels", labels);
            }),
            plain);
}

}  // namespace
}  // namespace metaloom::testing
