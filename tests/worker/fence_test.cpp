// The fence on a world of two: what one rank sees, both do.
#include "worker/fence.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <set>

#include "tests/core/expect_error.h"
#include "tests/core/scratch.h"
#include "tests/core/this_machine.h"
#include "tests/worker/toy_run.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

struct FenceOptions {
  std::int64_t every = 0, steps = 10, budget = 0, first = 0;
};

/// A rank's fence with what it refers to.
class Rank {
 public:
  Rank(
      Communicator& comm, const fs::path& folder, const FenceOptions& options,
      std::function<bool()> told_to_stop = [] { return false; })
      : theta_(flat_theta(ToyMethod())),
        optimizer_({.rate = 0.1}, theta_),
        progress{.step = options.first, .threads = 1, .stage = "toy"} {
    const CheckpointOptions saves{.every = options.every, .keep = 100};
    if (comm.rank() == 0) folder_.emplace(this_disk, this_clock, folder, saves, "c");
    fence.emplace(Fence::Parts{comm, theta_, optimizer_, progress, lineage_, texts, shared_,
                               folder_ ? &*folder_ : nullptr, nullptr, std::move(told_to_stop)},
                  saves, options.steps, options.budget);
  }
  bool pass(bool finite) { return fence->pass(fence->vote(finite)); }

 private:
  FlatParams theta_;
  Optimizer optimizer_;
  Lineage lineage_;
  std::map<std::string, Archive> shared_;
  std::optional<CheckpointFolder> folder_;

 public:
  std::map<std::string, std::string> texts;
  RunProgress progress;
  std::optional<Fence> fence;
};

std::set<std::string> steps_in(const fs::path& folder) {
  std::set<std::string> out;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("step_")) out.insert(name);
  }
  return out;
}

using Names = std::set<std::string>;

TEST(Fence, WhatOneRankFindsNotFiniteAllSkip) {
  const Scratch scratch;
  for (const int sees : {0, 1}) {
    run_local_world(2, {}, [&](Communicator& comm) {
      Rank rank(comm, scratch.path() / std::to_string(sees), {.budget = 1});
      EXPECT_TRUE(rank.fence->vote(true).finite);
      EXPECT_FALSE(rank.fence->vote(comm.rank() != sees).finite);
      EXPECT_FALSE(rank.pass(comm.rank() != sees));
      EXPECT_EQ(rank.progress.step, 1);
      EXPECT_EQ(rank.progress.skipped, 1);
      EXPECT_FALSE(rank.pass(true));
      EXPECT_EQ(rank.progress.skipped, 1);
    });
  }
}

TEST(Fence, MoreSkippedUpdatesThanTheBudgetEndTheRun) {
  for (const std::int64_t budget : {0, 2}) {
    const Scratch scratch;
    std::atomic<std::int64_t> passed = 0;
    const auto all = [&] {
      run_local_world(2, {}, [&](Communicator& comm) {
        Rank rank(comm, scratch.path(), {.every = 1, .budget = budget});
        for (std::int64_t update = 0; update <= budget; ++update) {
          rank.pass(comm.rank() == 0);
          if (comm.rank() == 0) ++passed;
        }
      });
    };
    EXPECT_ERROR(all(), Fault::non_finite, std::to_string(budget + 1) + " updates", "update ");
    EXPECT_EQ(passed, budget);
  }
}

TEST(Fence, ToldToStopOnOneRankAllStopAndTheStateIsSaved) {
  for (const int told : {0, 1}) {
    for (const bool finite : {true, false}) {
      const Scratch scratch;
      run_local_world(2, {}, [&](Communicator& comm) {
        bool stop = false;
        Rank rank(comm, scratch.path(), {.budget = 1}, [&] { return stop; });
        EXPECT_FALSE(rank.pass(true));
        stop = comm.rank() == told;
        EXPECT_TRUE(rank.pass(finite));
        rank.fence->finish();
      });
      EXPECT_EQ(steps_in(scratch.path()), (Names{"step_00000002"}));
    }
  }
}

TEST(Fence, SavesWhatIsDueAfterASkippedUpdateTooAndAtTheEnd) {
  const Scratch scratch;
  run_local_world(2, {}, [&](Communicator& comm) {
    Rank rank(comm, scratch.path(), {.every = 2, .steps = 5, .budget = 1});
    for (int update = 1; update <= 5; ++update) EXPECT_FALSE(rank.pass(update != 2));
    rank.fence->finish();
  });
  EXPECT_EQ(steps_in(scratch.path()), (Names{"step_00000002", "step_00000004", "step_00000005"}));
}

TEST(Fence, ARunThatResumesAtItsLastUpdateSavesNothingAgain) {
  const Scratch scratch;
  run_local_world(2, {}, [&](Communicator& comm) {
    Rank rank(comm, scratch.path(), {.steps = 5, .first = 5});
    rank.fence->finish();
  });
  EXPECT_TRUE(steps_in(scratch.path()).empty());
}

// A disk that is full for a moment: what is to be saved is larger than it, or is not.
class FenceOnASmallDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!disk_.mounted()) GTEST_SKIP() << "needs the right to mount a tmpfs";
  }
  /// One update after another, with a disk that is full for those that say so.
  void run(const std::vector<bool>& full, bool full_at_the_end = false) {
    run_local_world(1, {}, [&](Communicator& comm) {
      Rank rank(comm, place_, {.every = 1, .steps = static_cast<std::int64_t>(full.size())});
      const auto fill = [&](bool too_much) {
        rank.texts["filler"] = std::string(too_much ? 2 << 20 : 0, 'x');
      };
      for (const bool too_much : full) {
        fill(too_much);
        rank.pass(true);
      }
      fill(full_at_the_end);
      rank.fence->finish();
    });
  }

  const SmallDisk disk_{"1m"};
  const fs::path place_ = disk_.path() / "checkpoints";
};

TEST_F(FenceOnASmallDisk, ASaveThatFailedForAMomentIsMadeGoodByTheNext) {
  run({false, true, false});
  EXPECT_EQ(steps_in(place_), (Names{"step_00000001", "step_00000003"}));
}

TEST_F(FenceOnASmallDisk, TheLastSaveIsTriedOnceMore) {
  run({false, true});
  EXPECT_EQ(steps_in(place_), (Names{"step_00000001", "step_00000002"}));
}

TEST_F(FenceOnASmallDisk, TwoFailuresInARowEndTheRun) {
  EXPECT_ERROR(run({false, true, true, false}), Fault::temporary, "No space left");
  EXPECT_EQ(steps_in(place_), (Names{"step_00000001"}));
  EXPECT_ERROR(run({true}, true), Fault::temporary, "No space left");
}

}  // namespace
}  // namespace metaloom
