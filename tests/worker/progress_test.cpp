#include "worker/report/progress.h"

#include <gtest/gtest.h>

namespace metaloom {
namespace {

using std::chrono::hours;

TEST(ProgressLine, IsOfOneProcessAndStandsInALogAtOnce) {
  testing::internal::CaptureStderr();
  {
    ProgressLine shown(true), hidden(false);
    shown.show("stage  1/2");
    hidden.show("stage  1/2");
    shown.clear();
    EXPECT_FALSE(shown.due());
    EXPECT_FALSE(hidden.due());
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "stage  1/2\n");
}

TEST(Progress, TimeThatIsLeftOutCountsInNoRate) {
  Progress progress("stage", 0, 10, /*shown=*/false);
  progress.leave_out(-hours(3));  // as if three hours had passed,
  progress.leave_out(hours(2));   // two of them not with updates
  progress.update(1, 0.5, "", 3600, 36);
  EXPECT_NEAR(progress.tokens_per_second(), 1, 0.05);
  EXPECT_NEAR(progress.tasks_per_second(), 0.01, 0.0005);
  progress.leave_out(-hours(2));
  progress.leave_out(hours(1));
  progress.update(2, 0.5, "", 3600, 36);
  EXPECT_NEAR(progress.tokens_per_second(), 1, 0.05);
}

}  // namespace
}  // namespace metaloom
