// What is drawn, and in which order, is that of before stores had shards (commit b2fc349): runs
// that began then go on with it. The digests were printed by this test, built in that commit's
// sampler.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/digest.h"
#include "tests/sampler/made_stores.h"

namespace metaloom::testing {
namespace {

class OrderGolden : public ::testing::Test {
 protected:
  OrderGolden() {
    write(sample("classification", "alpha", 2000), folder_.path());
    write(sample("multiple_choice", "gamma", 500), folder_.path());
    write(sample("episodes", "delta"), folder_.path());
    options_.root = folder_.path().string();
    options_.datasets = {"alpha", "gamma", "delta"};
    options_.slots = 13;
    options_.pack = 2;
    options_.task.batch = 8;
    options_.task.ways = 3;
    options_.task.queries = 2;
    options_.task.episodes = 200;
    options_.left_out["alpha"][Split::validation] = {0, 3, 9};
    options_.left_out["delta"][Split::test] = {1, 70};
  }

  TemporaryFolder folder_;
  MixOptions options_;
};

std::string told(const Mix& mix, const TaskId& id) {
  const Task task = mix.draw(id);
  std::vector<std::int64_t> rows;
  for (const auto* examples : {&task.support, &task.query})
    for (const Example& example : *examples) rows.push_back(example.row);
  const TaskShape shape = mix.shape(id);
  return fmt::format("{} {} {} {}: {}: {}; {} {} {} {} {}\n", id.dataset, name_of(id.split),
                     id.pass, id.index, fmt::join(task.classes, " "), fmt::join(rows, " "),
                     shape.support_rows, shape.support_tokens, shape.query_rows, shape.query_tokens,
                     shape.longest);
}

TEST_F(OrderGolden, PlansDrawWhatTheyDrew) {
  const Mix mix(options_, Rng(11));
  const char* expected[] = {"214312820c9c260a", "1f71e847a5947d5c", "a1a69e6a3fd60760"};
  for (const Half half : {Half::all, Half::first, Half::second}) {
    std::string text;  // of more than one pass, asked for in no order
    for (const std::int64_t step : {0, 50, 1, 2, 51, 49, 20, 3})
      for (const Pack& pack : mix.plan(step, half)) {
        text += fmt::format("pack {}\n", pack.index);
        for (const TaskId& id : pack.tasks) text += told(mix, id);
      }
    EXPECT_EQ(hex(digest(text)), expected[static_cast<int>(half)]) << static_cast<int>(half);
  }
}

TEST_F(OrderGolden, EvaluationsScoreWhatTheyScored) {
  const Mix mix(options_, Rng(11));
  std::string text;
  for (int d = 0; d < mix.datasets(); ++d)
    for (const Split split : {Split::train, Split::validation, Split::test})
      for (const std::int64_t count : {0, 3})
        for (const TaskId& id : mix.evaluation(d, split, count)) text += told(mix, id);
  EXPECT_EQ(hex(digest(text)), "a8337a0b46577642");
}

}  // namespace
}  // namespace metaloom::testing
