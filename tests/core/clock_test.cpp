// The laws of a clock, of this machine's and of virtual time; and that virtual time takes none.
#include "core/clock.h"

#include <gtest/gtest.h>

#include <deque>
#include <set>
#include <string>
#include <system_error>

#include "core/background.h"
#include "tests/core/each_clock.h"

namespace metaloom {
namespace {

TEST(Clock, NeverGoesBackAndSleepsAtLeastAsLongAsAsked) {
  by_each_clock([](Clock& clock) {
    double last = clock.now();
    for (const double seconds : {0.0, 0.002, 0.001}) {
      clock.sleep(seconds);
      EXPECT_GE(clock.now(), last + seconds);
      last = clock.now();
    }
    EXPECT_GT(clock.wall(), 1.6e9);  // 2020
  });
}

TEST(Clock, AWaitEndsWhenDoneOrAtItsTime) {
  by_each_clock([](Clock& clock) {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    std::unique_lock lock(mutex);
    const double until = clock.now() + 0.01;
    EXPECT_FALSE(clock.wait(lock, changed, until, [&] { return done; }));
    EXPECT_GE(clock.now(), until);
    Background other(clock);
    other.start([&] {
      const std::lock_guard here(mutex);
      done = true;
      changed.notify_all();
    });
    EXPECT_TRUE(clock.wait(lock, changed, kNever, [&] { return done; }));
    EXPECT_TRUE(lock.owns_lock());
    EXPECT_TRUE(clock.wait(lock, changed, 0, [&] { return done; })) << "done before it began";
  });
}

TEST(Background, PassesOnWhatWasThrownOnceAndGoesOn) {
  by_each_clock([](Clock& clock) {
    Background work(clock);
    work.wait();  // nothing to wait for
    work.start([] { throw std::string("thrown"); });
    EXPECT_THROW(work.wait(), std::string);
    int count = 0;
    for (int i = 0; i < 3; ++i) work.start([&] { ++count; });
    work.wait();
    EXPECT_EQ(count, 3);
    work.start([] { throw std::string("nobody asks"); });
  });
}

// Three threads that sleep and tell; the order in which they were heard.
std::string order_of(std::uint64_t seed) {
  std::string heard;
  std::mutex mutex;
  VirtualTime time(seed);
  time.run([&] {
    std::deque<Background> all;
    for (const char name : {'a', 'b', 'c'}) {
      all.emplace_back(time).start([&, name] {
        for (int i = 0; i < 4; ++i) {
          time.sleep(3600);
          const std::lock_guard lock(mutex);
          heard += name;
        }
      });
    }
    for (Background& each : all) each.wait();
    EXPECT_DOUBLE_EQ(time.now(), 4 * 3600);
  });
  return heard;
}

TEST(VirtualTime, RepeatsItselfBySeedAndDiffersBetweenSeeds) {
  std::set<std::string> orders;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    EXPECT_EQ(order_of(seed), order_of(seed));
    orders.insert(order_of(seed));
  }
  EXPECT_GT(orders.size(), 4u);
}

/// While it lives no thread can be had: a new one would get a stack for which there is no memory.
class NoThreads {
 public:
  NoThreads() {
    ::pthread_getattr_default_np(&before_);
    ::pthread_attr_t huge;
    ::pthread_attr_init(&huge);
    ::pthread_attr_setstacksize(&huge, std::size_t{1} << 48);
    ::pthread_setattr_default_np(&huge);
    ::pthread_attr_destroy(&huge);
  }
  ~NoThreads() {
    ::pthread_setattr_default_np(&before_);
    ::pthread_attr_destroy(&before_);
  }
  NoThreads(const NoThreads&) = delete;

 private:
  ::pthread_attr_t before_;
};

TEST(VirtualTime, GivesNoTurnToAThreadThatCouldNotBeHad) {
  // What broke: its seat stayed, got the turn, and all others waited for ever.
  by_each_clock([](Clock& clock) {
    Background work(clock);
    {
      const NoThreads none;
      EXPECT_THROW(work.start([] {}), std::system_error);
    }
    clock.sleep(0.01);
    bool done = false;
    work.start([&] { done = true; });
    work.wait();
    EXPECT_TRUE(done);
  });
}

TEST(VirtualTimeDeathTest, ThatStandsStillSaysWhoHasTheTurn) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto stuck = [] {
    VirtualTime time;
    time.stand_still_after = std::chrono::milliseconds(50);
    time.run([&] {
      Background other(time);
      other.start([] {});
      std::this_thread::sleep_for(std::chrono::hours(1));  // in a turn of its own
    });
  };
  EXPECT_DEATH(stuck(), "stands still at 0: the turn of thread 0, .*thread 1");
}

}  // namespace
}  // namespace metaloom
