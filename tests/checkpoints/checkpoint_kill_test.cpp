// Kill -9 at any instant of a save loses no
// checkpoint that was finished, and the next start needs no hands. The process that is killed is
// this program once more, running SavesForEver.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "tests/checkpoints/sample_run.h"
#include "tests/core/scratch.h"
#include "tests/core/this_machine.h"

namespace metaloom {
namespace {

constexpr const char* kFolder = "METALOOM_TEST_KILLED_FOLDER";
constexpr const char* kPipe = "METALOOM_TEST_KILLED_PIPE";

// Not a test of its own: saves until it is killed, and says on the pipe which steps are durable.
TEST(CheckpointKill, DISABLED_SavesForEver) {
  const char* place = std::getenv(kFolder);
  ASSERT_NE(place, nullptr);
  const int pipe = std::atoi(std::getenv(kPipe));
  CheckpointFolder folder(this_disk, this_clock, place, {.keep = 2}, "c");
  const auto newest = folder.newest();
  std::int64_t step = newest ? newest->step() : 0;
  if (newest && !is_whole(*newest)) std::_Exit(3);
  const std::int64_t model = step % 3;  // starts differ in what they share
  for (;;) {
    ASSERT_EQ(::write(pipe, &step, sizeof step), static_cast<ssize_t>(sizeof step));
    ++step;
    folder.save(step, sections_at(step, model), frozen_model(model));
    folder.finish();
    // Every third step is saved twice: the second folder takes the place of the first.
    if (step % 3 == 0) folder.save(step, sections_at(step, model), frozen_model(model));
    folder.finish();
  }
}

struct Saver {
  pid_t pid;
  int pipe;  // its reading end
};

Saver start(const std::filesystem::path& folder) {
  int ends[2];
  if (::pipe(ends) != 0) std::abort();
  ::setenv(kFolder, folder.c_str(), 1);
  ::setenv(kPipe, std::to_string(ends[1]).c_str(), 1);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int quiet = ::open("/dev/null", O_WRONLY);
    ::dup2(quiet, 1);
    ::close(ends[0]);
    ::execl("/proc/self/exe", "test_checkpoints", "--gtest_also_run_disabled_tests",
            "--gtest_filter=CheckpointKill.DISABLED_SavesForEver", nullptr);
    std::_Exit(2);
  }
  ::close(ends[1]);
  return {pid, ends[0]};
}

// The next durable step that the process tells of.
std::int64_t hear(int pipe) {
  std::int64_t step = -1;
  EXPECT_EQ(::read(pipe, &step, sizeof step), static_cast<ssize_t>(sizeof step));
  return step;
}

TEST(CheckpointKill, LosesNothingThatWasFinished) {
  const Scratch scratch;
  const auto place = scratch.path() / "checkpoints";
  const Rng rng(4, "kills");
  std::int64_t durable = 0;
  constexpr int kKills = 25;
  for (int kill = 0; kill < kKills; ++kill) {
    const Saver saver = start(place);
    std::int64_t told = hear(saver.pipe);
    EXPECT_GE(told, durable) << "restarted from before what was durable";
    // Killed somewhere in the second save, which takes about as long as the first did.
    const auto begin = std::chrono::steady_clock::now();
    told = hear(saver.pipe);
    const std::chrono::duration<double> save = std::chrono::steady_clock::now() - begin;
    std::this_thread::sleep_for(save * rng.uniform(kill));
    ::kill(saver.pid, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(saver.pid, &status, 0), saver.pid);
    EXPECT_TRUE(WIFSIGNALED(status)) << "ended by itself: " << status;
    do durable = std::max(durable, told);
    while (::read(saver.pipe, &told, sizeof told) == static_cast<ssize_t>(sizeof told));
    ::close(saver.pipe);
  }
  CheckpointFolder folder(this_disk, this_clock, place, {.keep = 2}, "c");
  const auto newest = folder.newest();
  ASSERT_TRUE(newest);
  EXPECT_GE(newest->step(), durable);
  EXPECT_FALSE(std::filesystem::exists(place / "quarantine")) << "a kill must damage nothing";
  EXPECT_GE(durable, kKills);
}

}  // namespace
}  // namespace metaloom
