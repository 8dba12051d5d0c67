#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <vector>

#include "launcher/process/world.h"

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

TEST(StopSignals, IntAndHupAskToStopToo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  // What broke: INT and HUP ended a training without a checkpoint.
  const auto raised = [](std::vector<int> signals, bool ignored) {
    if (ignored) std::signal(SIGHUP, SIG_IGN);
    enter();
    for (const int signal : signals) std::raise(signal);
    _exit(told_to_stop() ? 85 : 0);
  };
  struct Row {
    std::vector<int> signals;
    bool hup_ignored;
    int code;
  };
  for (const Row& row : {
           Row{{SIGINT}, false, 85},
           {{SIGHUP}, false, 85},
           {{SIGHUP}, true, 0},  // nohup
           {{SIGHUP, SIGHUP, SIGTERM}, false, 85},
           {{SIGUSR1, SIGUSR2, SIGINT}, false, 85},
           {{SIGINT, SIGINT}, false, 128 + SIGINT},
           {{SIGTERM, SIGINT}, false, 128 + SIGINT},
           {{SIGINT, SIGUSR1, SIGTERM}, false, 128 + SIGTERM},
       }) {
    EXPECT_EXIT(raised(row.signals, row.hup_ignored), ::testing::ExitedWithCode(row.code), "")
        << row.signals.front() << " of " << row.signals.size();
  }
}

}  // namespace
}  // namespace metaloom
