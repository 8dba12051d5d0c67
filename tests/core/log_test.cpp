#include "core/log.h"

#include <gtest/gtest.h>

#include "core/files.h"
#include "tests/core/expect_error.h"
#include "tests/core/scratch.h"

namespace metaloom {
namespace {

TEST(Log, NamesTheRankAndWritesTheFile) {
  const Scratch scratch;
  const auto file = scratch.path() / "log.txt";
  testing::internal::CaptureStderr();
  start_log(0, 2);
  spdlog::info("before");
  log_to_file(file);
  spdlog::info("during");
  const auto shown = testing::internal::GetCapturedStderr();
  EXPECT_NE(shown.find("rank 0 info: before"), std::string::npos) << shown;
  EXPECT_NE(shown.find("rank 0 info: during"), std::string::npos) << shown;
  const auto written = read_text(file);
  EXPECT_EQ(written.find("before"), std::string::npos);
  EXPECT_NE(written.find("rank 0 info: during"), std::string::npos) << written;
}

TEST(Log, OtherRanksOnlyWarn) {
  const Scratch scratch;
  testing::internal::CaptureStderr();
  start_log(1, 2);
  log_to_file(scratch.path() / "log.txt");
  spdlog::info("quiet");
  spdlog::warn("loud");
  const auto shown = testing::internal::GetCapturedStderr();
  EXPECT_EQ(shown.find("quiet"), std::string::npos) << shown;
  EXPECT_NE(shown.find("rank 1 warning: loud"), std::string::npos) << shown;
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "log.txt"));
  start_log(0, 1);
}

TEST(Log, AFileThatCannotBeIsAnError) {
  start_log(0, 1);
  const Scratch scratch;
  EXPECT_ERROR(log_to_file(scratch.path()), Fault::temporary, "cannot write the log");
}

}  // namespace
}  // namespace metaloom
