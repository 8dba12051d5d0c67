#include "core/log/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "core/files/files.h"
#include "tests/core/expect_error.h"
#include "tests/core/scratch.h"
#include "tests/core/this_machine.h"

namespace metaloom {
namespace {

TEST(Log, NamesTheRankAndWritesTheFile) {
  const Scratch scratch;
  const auto file = scratch.path() / "log.txt";
  testing::internal::CaptureStderr();
  start_log(0, 2);
  spdlog::info("before");
  log_to_file(this_disk, file);
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
  log_to_file(this_disk, scratch.path() / "log.txt");
  spdlog::info("quiet");
  spdlog::warn("loud");
  const auto shown = testing::internal::GetCapturedStderr();
  EXPECT_EQ(shown.find("quiet"), std::string::npos) << shown;
  EXPECT_NE(shown.find("rank 1 warning: loud"), std::string::npos) << shown;
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "log.txt"));
  start_log(0, 1);
}

TEST(Log, AFileThatCannotBeIsToldOnceAndEndsNothing) {
  // What broke: a log.txt that could not be opened ended the run.
  start_log(0, 1);
  const Scratch scratch;
  testing::internal::CaptureStderr();
  log_to_file(this_disk, scratch.path());  // a folder
  spdlog::info("one");
  spdlog::info("two");
  const auto shown = testing::internal::GetCapturedStderr();
  EXPECT_NE(shown.find("rank 0 info: two"), std::string::npos) << shown;
  const auto told = shown.find("cannot be written");
  ASSERT_NE(told, std::string::npos) << shown;
  EXPECT_EQ(shown.find("cannot be written", told + 1), std::string::npos) << shown;
  start_log(0, 1);
}

TEST(Log, LinesThatAFullDiskRefusesWaitForSpace) {
  // What broke: what was logged while the disk was full was lost, and half a line stayed.
  const SmallDisk disk("64k");
  if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount a tmpfs";
  start_log(0, 1);
  testing::internal::CaptureStderr();
  log_to_file(this_disk, disk.path() / "log.txt");
  std::ofstream(disk.path() / "filler") << std::string(1 << 17, 'x');
  for (int i = 0; i < 200; ++i) spdlog::info("line {} {}", i, std::string(200, '.'));
  std::filesystem::remove(disk.path() / "filler");
  spdlog::info("the last");
  start_log(0, 1);
  const auto shown = testing::internal::GetCapturedStderr();
  EXPECT_NE(shown.find("cannot be written: No space left"), std::string::npos) << shown;
  const std::string text = read_text(disk.path() / "log.txt");
  for (int i = 0; i < 200; ++i) {
    ASSERT_NE(text.find("info: line " + std::to_string(i) + ' '), std::string::npos) << i;
  }
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 201);
}

TEST(Say, NeverThrows) {
  const int kept = ::dup(STDERR_FILENO);
  for (const char* place : {"/dev/full", "/dev/null"}) {
    const int bad = ::open(place, O_RDWR);
    ::dup2(bad, STDERR_FILENO);
    say("lost\n");
    ::close(bad);
  }
  ::close(STDERR_FILENO);
  say("lost\n");
  ::dup2(kept, STDERR_FILENO);
  ::close(kept);
}

}  // namespace
}  // namespace metaloom
