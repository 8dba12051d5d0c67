// The roll call by itself: who is named when a wait outlasts its deadline. Ranks are threads here
// that take turns in virtual time, notes go through memory; tests/comm/mpi_faults_test.py does the
// same with real processes.
#include "comm/roll_call/roll_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <mutex>

#include "core/background.h"
#include "core/error.h"
#include "tests/core/each_clock.h"

namespace metaloom {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class Mailboxes {
 public:
  explicit Mailboxes(int size) : boxes_(size) {}
  void put(int to, const Note& note) {
    const std::lock_guard lock(mutex_);
    boxes_[to].push_back(note);
  }
  bool take(int of, Note& note) {
    const std::lock_guard lock(mutex_);
    if (boxes_[of].empty()) return false;
    note = boxes_[of].front();
    boxes_[of].pop_front();
    return true;
  }

 private:
  std::mutex mutex_;
  std::vector<std::deque<Note>> boxes_;
};

class Mailbox final : public NoteChannel {
 public:
  Mailbox(Mailboxes& all, int rank) : all_(all), rank_(rank) {}
  void send(int to, const Note& note) override { all_.put(to, note); }
  bool receive(Note& note) override { return all_.take(rank_, note); }

 private:
  Mailboxes& all_;
  int rank_;
};

// Runs `rank_main` on threads with a roll call each, in virtual time; what each rank's waits ended
// with.
std::vector<std::string> run(int size, double deadline,
                             const std::function<void(int rank, Clock&, RollCall&)>& rank_main) {
  VirtualTime time;
  Mailboxes boxes(size);
  std::vector<std::string> errors(size);
  // Nobody's process ends here, but all are of this host.
  const std::vector<Peer> peers(size, {"node", 0, "elsewhere"});
  const auto one = [&](int rank) {
    Mailbox mailbox(boxes, rank);
    Watchdog watchdog(time, [](const std::string&, double) {});
    RollCall roll_call(rank, peers, deadline, time, mailbox, watchdog);
    try {
      rank_main(rank, time, roll_call);
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::hang);
      errors[rank] = error.what();
    }
  };
  time.run([&] {
    std::deque<Background> ranks;
    for (int rank = 0; rank < size; ++rank) {
      ranks.emplace_back(time).start([&one, rank] { one(rank); });
    }
    for (Background& rank : ranks) rank.wait();
  });
  return errors;
}

const auto never = [] { return false; };

TEST(RollCall, NamesTheRankThatHasNotCome) {
  std::atomic<bool> over = false;
  const auto errors = run(4, 0.5, [&](int rank, Clock& time, RollCall& roll_call) {
    if (rank == 2) {
      roll_call.enter("forward pass", 3600);
      while (!over) time.sleep(0.005);
      return;
    }
    roll_call.enter("reduce", 0.5);
    const auto operation = roll_call.begin();
    try {
      roll_call.wait(operation, [&] { return over.load(); });
    } catch (const Error&) {
      over = true;
      EXPECT_TRUE(roll_call.broken());
      throw;
    }
  });
  EXPECT_THAT(errors[0], HasSubstr("silent: rank 2 (node, pid 0) was last in section \"forward "
                                   "pass\" since"));
  EXPECT_THAT(errors[0], HasSubstr("rank 0 has waited"));
  EXPECT_THAT(errors[2], IsEmpty());
}

TEST(RollCall, NamesTheRankThatFellSilentWhileItWaited) {
  // Arrived, waited, and was stopped: its notes end.
  std::atomic<bool> over = false;
  const auto errors = run(3, 0.5, [&](int rank, Clock& time, RollCall& roll_call) {
    roll_call.enter("reduce", 0.5);
    try {
      roll_call.wait(roll_call.begin(), [&] {
        while (rank == 1 && !over) time.sleep(0.005);
        return over.load();
      });
    } catch (const Error&) {
      over = true;
      throw;
    }
  });
  EXPECT_THAT(errors[0], HasSubstr("rank 1 (node, pid 0) was last in section \"reduce\""));
}

TEST(RollCall, RankOneNamesRankZero) {
  std::atomic<bool> over = false;
  const auto errors = run(3, 0.4, [&](int rank, Clock& time, RollCall& roll_call) {
    roll_call.enter(rank == 0 ? "checkpoint" : "vote", rank == 0 ? 3600 : 0.4);
    if (rank == 0) {
      while (!over) time.sleep(0.005);
      return;
    }
    try {
      roll_call.wait(roll_call.begin(), [&] { return over.load(); });
    } catch (const Error&) {
      over = true;
      throw;
    }
  });
  EXPECT_THAT(errors[1], HasSubstr("silent: rank 0 (node, pid 0) was last in section "
                                   "\"checkpoint\""));
}

TEST(RollCall, AnOverduePeerGetsItsVerdictBeforeTheWatchersOwnDeadline) {
  // Rank 0 came to the operation late and has patience left; rank 2 has not.
  std::atomic<bool> over = false;
  const auto errors = run(3, 0.4, [&](int rank, Clock& time, RollCall& roll_call) {
    roll_call.enter(rank == 1 ? "decode" : "gather", rank == 2 ? 0.4 : 3600);
    if (rank == 1) {
      while (!over) time.sleep(0.005);
      return;
    }
    try {
      roll_call.wait(roll_call.begin(), [&] { return over.load(); });
    } catch (const Error&) {
      over = true;
      throw;
    }
  });
  EXPECT_THAT(errors[0], HasSubstr("silent: rank 1 (node, pid 0) was last in section \"decode\""));
}

TEST(RollCall, SaysSoWhenAllWaitForDifferentThings) {
  const auto errors = run(2, 0.3, [&](int, Clock&, RollCall& roll_call) {
    roll_call.enter("vote", 0.3);
    roll_call.wait(roll_call.begin(), never);
  });
  EXPECT_THAT(errors[0], HasSubstr("all ranks wait"));
  EXPECT_THAT(errors[1], HasSubstr("has waited"));
}

TEST(RollCall, AWaitWithinItsDeadlineIsNoError) {
  const auto errors = run(2, 60, [&](int rank, Clock&, RollCall& roll_call) {
    for (int round = 0; round < 100; ++round) {
      const auto operation = roll_call.begin();
      int looks = 0;
      roll_call.wait(operation, [&] { return ++looks > (rank == 0 ? 1 : 300); });
    }
  });
  EXPECT_THAT(errors, testing::Each(IsEmpty()));
}

TEST(RollCall, NoticesAProcessThatHasEnded) {
  const pid_t child = ::fork();
  if (child == 0) _exit(0);
  Mailboxes boxes(2);
  Mailbox mailbox(boxes, 0);
  Watchdog watchdog(this_clock, [](const std::string&, double) {});
  Peer self = this_process(), other = self;
  other.pid = child;
  RollCall roll_call(0, {self, other}, 3600, this_clock, mailbox, watchdog);
  try {
    roll_call.wait(roll_call.begin(), never);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::temporary);
    EXPECT_THAT(error.what(), HasSubstr("its process has ended"));
    EXPECT_THAT(error.what(), HasSubstr("pid " + std::to_string(child)));
  }
}

TEST(Watchdog, BarksOnceForASectionThatLastsTooLong) {
  by_each_clock([](Clock& clock) {
    std::atomic<int> barks = 0;
    std::string section;
    {
      Watchdog watchdog(clock, [&](const std::string& name, double) {
        section = name;
        ++barks;
      });
      watchdog.watch("", 0.01);  // no section, no deadline
      watchdog.watch("quick", 3600);
      watchdog.watch("slow", 0.05);
      while (barks == 0) clock.sleep(0.001);
    }
    EXPECT_EQ(section, "slow");
    EXPECT_EQ(barks, 1);
  });
}

TEST(Watchdog, BarksWhenTheDeadlineHasPassedAndNoSooner) {
  std::vector<std::string> barks;
  VirtualTime time;
  time.run([&] {
    Watchdog watchdog(time, [&](const std::string& name, double) { barks.push_back(name); });
    watchdog.watch("", 0.01);  // no section, no deadline
    time.sleep(10);
    watchdog.watch("quick", 3600);
    time.sleep(3000);
    watchdog.watch("slow", 60);
    time.sleep(59);
    EXPECT_THAT(barks, IsEmpty());
    time.sleep(600);
  });
  EXPECT_THAT(barks, testing::ElementsAre("slow"));
}

// Barks over a stretch of three deadlines in which there are signs of life, or none.
int barks_over_three_deadlines(Clock& clock, bool alive) {
  constexpr double kDeadline = 1;
  std::atomic<int> barks = 0;
  Watchdog watchdog(clock, [&](const std::string&, double) { ++barks; });
  watchdog.watch("long work", kDeadline);
  for (RunningTime running(clock); running.seconds() < 3 * kDeadline;) {
    if (alive) watchdog.alive();
    clock.sleep(0.001);
  }
  watchdog.watch("", 0);
  return barks;
}

TEST(Watchdog, IsCalmWhileThereAreSignsOfLife) {
  by_each_clock([](Clock& clock) {
    EXPECT_EQ(barks_over_three_deadlines(clock, true), 0);
    EXPECT_EQ(barks_over_three_deadlines(clock, false), 1);  // the control
  });
}

TEST(RunningTime, CountsOneSecondOfAStretchInWhichTheProcessWasStopped) {
  VirtualTime time;
  time.run([&] {
    RunningTime running(time);
    for (int i = 0; i < 4; ++i) {
      time.sleep(0.5);
      running.seconds();
    }
    EXPECT_DOUBLE_EQ(running.seconds(), 2);
    time.sleep(3600);
    EXPECT_DOUBLE_EQ(running.seconds(), 3);
  });
}

}  // namespace
}  // namespace metaloom
