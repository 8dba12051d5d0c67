#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "launcher/world.h"

namespace metaloom {
namespace {

void enter() {
  CommOptions options;
  options.backend = "local";
  enter_world(options);
  catch_stop_signals();
}

TEST(StopSignals, OnlyASecondTermEndsTheProcessAtOnce) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  // What broke: the TERM that Slurm sends after USR2 ended the process before it could save.
  const auto four_and_a_second_term = [] {
    enter();
    for (const int signal : {SIGUSR2, SIGUSR1, SIGTERM, SIGUSR2}) {
      std::raise(signal);
      if (told_to_stop()) std::fputs("still here\n", stderr);
    }
    std::raise(SIGTERM);
    _exit(0);
  };
  EXPECT_EXIT(four_and_a_second_term(), ::testing::ExitedWithCode(128 + SIGTERM),
              "(still here\n){4}$");
}

}  // namespace
}  // namespace metaloom
