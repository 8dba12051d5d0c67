#include "worker/report/progress.h"

#include <gtest/gtest.h>

#include "tests/core/this_machine.h"
#include "tests/core/virtual_time.h"

namespace metaloom {
namespace {

TEST(ProgressLine, IsOfOneProcessAndStandsInALogAtOnce) {
  testing::internal::CaptureStderr();
  {
    ProgressLine shown(this_clock, true), hidden(this_clock, false);
    shown.show("stage  1/2");
    hidden.show("stage  1/2");
    shown.clear();
    EXPECT_FALSE(shown.due());
    EXPECT_FALSE(hidden.due());
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "stage  1/2\n");
}

TEST(Progress, TimeThatIsLeftOutCountsInNoRate) {
  constexpr double kHour = 3600;
  VirtualTime time;
  time.run([&] {
    Progress progress(time, "stage", 0, 10, /*shown=*/false);
    time.sleep(3 * kHour);
    progress.leave_out(2 * kHour);
    progress.update(1, 0.5, "", 3600, 36);
    EXPECT_DOUBLE_EQ(progress.tokens_per_second(), 1);
    EXPECT_DOUBLE_EQ(progress.tasks_per_second(), 0.01);
    time.sleep(2 * kHour);
    progress.leave_out(1 * kHour);
    progress.update(2, 0.5, "", 3600, 36);
    EXPECT_DOUBLE_EQ(progress.tokens_per_second(), 1);
  });
}

TEST(ProgressLine, IsDueAgainAfterTenSecondsInALog) {
  testing::internal::CaptureStderr();
  VirtualTime time;
  time.run([&] {
    ProgressLine line(time, true);
    line.show("stage  1/2");
    time.sleep(9.9);
    EXPECT_FALSE(line.due());
    time.sleep(0.2);
    EXPECT_TRUE(line.due());
  });
  testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace metaloom
