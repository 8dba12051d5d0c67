#include "worker/reduction/update_outcome.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace metaloom {
namespace {

TEST(UpdateOutcome, LeavesNonFiniteTasksOutOfTheDivisorAndNamesThem) {
  for (int world : {1, 2, 4}) {
    run_local_world(world, {}, [&](Communicator& comm) {
      UpdateOutcome outcome;
      for (std::int64_t pack = comm.rank(); pack < 4; pack += comm.size()) {
        TaskOutcome task{.task = {.index = pack}, .weight = 2.0, .loss = 1.0 + pack, .tokens = 10};
        task.metrics = {{"f1", kMean, 0.25 * static_cast<double>(pack)}, {"accuracy", kShare, 1}};
        if (pack == 3) {
          task.finite = false;
          task.loss = std::numeric_limits<double>::quiet_NaN();
          task.metrics[0].value = std::numeric_limits<double>::quiet_NaN();
        }
        outcome.add(pack, {task});
      }
      outcome.exchange(comm);
      EXPECT_DOUBLE_EQ(outcome.divisor(), 6);
      EXPECT_DOUBLE_EQ(outcome.loss(), 2);
      const std::vector<Metric> metrics = outcome.metrics();  // in the tasks' order, not the names'
      ASSERT_EQ(metrics.size(), 2u);
      EXPECT_EQ(metrics[0].name, "f1");
      EXPECT_EQ(metrics[0].averaging, kMean);
      EXPECT_DOUBLE_EQ(metrics[0].value, 0.25);
      EXPECT_DOUBLE_EQ(metrics[1].value, 1);
      EXPECT_EQ(outcome.tokens(), 40);
      ASSERT_EQ(outcome.non_finite().size(), 1u);
      EXPECT_EQ(outcome.non_finite()[0].index, 3);
      for (std::int64_t i = 0; i < 4; ++i) EXPECT_EQ(outcome.tasks()[i].task.index, i);
    });
  }
}

TEST(UpdateOutcome, WithoutAFiniteTaskItHasNoLoss) {
  run_local_world(2, {}, [&](Communicator& comm) {
    UpdateOutcome outcome;
    outcome.add(comm.rank(), {{.task = {.index = comm.rank()}, .loss = 1.0, .finite = false}});
    outcome.exchange(comm);
    EXPECT_EQ(outcome.divisor(), 0);
    EXPECT_TRUE(std::isnan(outcome.loss()));  // null in metrics.jsonl, which no curve shows
  });
}

}  // namespace
}  // namespace metaloom
