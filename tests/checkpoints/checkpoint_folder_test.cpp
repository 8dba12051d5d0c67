// Laws of the folder: `latest` always names a whole checkpoint, rotation never removes the last
// good one, a damaged one is never returned, a failed write harms nothing.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <fstream>

#include "core/files/files.h"
#include "core/log/log.h"
#include "tests/checkpoints/sample_run.h"
#include "tests/core/expect_error.h"
#include "tests/core/scratch.h"
#include "tests/core/this_machine.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

TEST(CheckpointFolder, KeepsTheNewestAndPointsAtTheLast) {
  const Scratch scratch;
  CheckpointFolder folder(this_disk, this_clock, scratch.path(), {.keep = 2}, "c");
  EXPECT_FALSE(folder.newest());
  for (const std::int64_t step : {10, 20, 30}) {
    save(folder, step);
    EXPECT_EQ(fs::read_symlink(scratch.path() / "latest"), step_name(step));
  }
  EXPECT_EQ(names(scratch.path()), (Names{"latest", "shared", "step_00000020", "step_00000030"}));
  EXPECT_EQ(names(scratch.path() / "shared").size(), 1u);
  EXPECT_EQ(folder.newest()->step(), 30);
  EXPECT_TRUE(is_whole(*folder.newest()));
}

TEST(CheckpointFolder, SharedFilesLiveAsLongAsTheyAreNamed) {
  const Scratch scratch;
  const auto shared = scratch.path() / "shared";
  save(*std::make_unique<CheckpointFolder>(this_disk, this_clock, scratch.path(),
                                           CheckpointOptions{.keep = 2}, "c"),
       1);
  const Names first = names(shared);
  CheckpointFolder folder(this_disk, this_clock, scratch.path(), {.keep = 2}, "c");
  save(folder, 2, /*model=*/5);
  EXPECT_EQ(names(shared).size(), 2u);
  EXPECT_TRUE(is_whole(Checkpoint::open(this_disk, scratch.path() / "step_00000001")));
  save(folder, 3, 5);
  EXPECT_EQ(names(shared).size(), 1u);
  EXPECT_NE(names(shared), first);
  EXPECT_TRUE(is_whole(*folder.newest()));
}

TEST(CheckpointFolder, SharedFilesThatVanishedOrWereDamagedAreWrittenAgain) {
  const Scratch scratch;
  CheckpointFolder folder(this_disk, this_clock, scratch.path(), {}, "c");
  save(folder, 1);
  fs::remove_all(scratch.path() / "shared");
  save(folder, 2);
  EXPECT_TRUE(is_whole(*folder.newest()));
  damage(fs::directory_iterator(scratch.path() / "shared")->path());
  CheckpointFolder restarted(this_disk, this_clock, scratch.path(), {}, "c");
  save(restarted, 3);
  EXPECT_TRUE(is_whole(*restarted.newest()));
}

TEST(CheckpointFolder, AStepSavedAgainReplacesTheOld) {
  const Scratch scratch;
  CheckpointFolder folder(this_disk, this_clock, scratch.path(), {}, "c");
  save(folder, 1);
  folder.save(1, sections_at(1), {});
  folder.finish();
  EXPECT_EQ(folder.newest()->sections().size(), 3u);
  EXPECT_EQ(names(scratch.path()), (Names{"latest", "shared", "step_00000001"}));
}

TEST(CheckpointFolder, FallsBackOverDamagedOnesAndSetsThemAside) {
  const Scratch scratch;
  CheckpointFolder folder(this_disk, this_clock, scratch.path(), {.keep = 4}, "c");
  for (const std::int64_t step : {1, 2, 3, 4}) save(folder, step);
  damage(scratch.path() / "step_00000004" / "theta.h5");
  fs::remove(scratch.path() / "step_00000003" / "manifest.json");
  const auto newest = folder.newest();
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->step(), 2);
  EXPECT_EQ(fs::read_symlink(scratch.path() / "latest"), "step_00000002");
  const auto aside = scratch.path() / "quarantine";
  EXPECT_EQ(names(aside), (Names{"step_00000003", "step_00000004"}));
  EXPECT_NE(read_text(aside / "step_00000004" / "why.txt").find("another digest"),
            std::string::npos);
  // The same step damaged once more finds its place taken.
  save(folder, 4);
  damage(scratch.path() / "step_00000004" / "theta.h5");
  EXPECT_EQ(folder.newest()->step(), 2);
  EXPECT_TRUE(names(aside).contains("step_00000004.2"));
}

TEST(CheckpointFolder, NoneLeftIsNone) {
  const Scratch scratch;
  CheckpointFolder folder(this_disk, this_clock, scratch.path() / "new", {}, "c");
  EXPECT_FALSE(folder.newest());
  save(folder, 1);
  damage(scratch.path() / "new" / "step_00000001" / "progress.h5");
  EXPECT_FALSE(folder.newest());
  EXPECT_FALSE(fs::is_symlink(scratch.path() / "new" / "latest"));
}

TEST(CheckpointFolder, UnfinishedOnesAreRemovedAndReplacedOnesRestored) {
  const Scratch scratch;
  CheckpointFolder folder(this_disk, this_clock, scratch.path(), {}, "c");
  save(folder, 1);
  save(folder, 2);
  fs::create_directories(scratch.path() / "step_00000009.tmp-abc");
  std::ofstream(scratch.path() / "shared" / "0123.h5.tmp-abc") << "x";
  // As if killed between the two renames of a file system without exchange.
  fs::rename(scratch.path() / "step_00000002", scratch.path() / "step_00000002.replaced-abc");
  fs::create_directories(scratch.path() / "step_00000001.replaced-abc");
  EXPECT_EQ(folder.newest()->step(), 2);
  EXPECT_EQ(names(scratch.path()), (Names{"latest", "shared", "step_00000001", "step_00000002"}));
  EXPECT_EQ(names(scratch.path() / "shared").size(), 1u);
}

TEST(CheckpointFolder, RefusesNamesThatAreNoFiles) {
  const Scratch scratch;
  CheckpointFolder folder(this_disk, this_clock, scratch.path(), {}, "c");
  for (const std::string name : {"", "../x", "a/b", ".hidden"}) {
    EXPECT_ERROR(folder.save(1, {{name, Archive()}}, {}), Fault::internal, "cannot name a section");
  }
  EXPECT_ERROR(folder.save(1, {{"a", Archive()}}, {{"a", Archive()}}), Fault::internal,
               "two sections");
  EXPECT_TRUE(names(scratch.path()).empty());
}

TEST(CheckpointFolder, AFullDiskFailsTheSaveAndNothingElse) {
  const SmallDisk disk("1m");
  if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount a tmpfs";
  CheckpointFolder folder(this_disk, this_clock, disk.path() / "checkpoints", {.keep = 1}, "c");
  save(folder, 1);
  Sections large;
  large["theta"].put("x", at::zeros({1 << 19}));
  folder.save(2, large, {});
  EXPECT_ERROR(folder.finish(), Fault::temporary, "No space left", "theta.h5", "Free some space");
  folder.save(3, large, {});
  // The error of a save in the background shows at the next one, which is not begun.
  EXPECT_ERROR(folder.save(4, sections_at(4), {}), Fault::temporary, "No space left");
  EXPECT_EQ(names(disk.path() / "checkpoints"), (Names{"latest", "shared", "step_00000001"}));
  EXPECT_TRUE(is_whole(*folder.newest()));
  save(folder, 5);  // and goes on once there is room
  EXPECT_EQ(folder.newest()->step(), 5);
}

TEST(CheckpointFolder, EveryFullnessOfTheDiskKeepsTheLastGoodOne) {
  // Whatever write is the one that fails: the free space shrinks from save to save.
  const SmallDisk disk("1m");
  if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount a tmpfs";
  const auto place = disk.path() / "checkpoints";
  CheckpointFolder folder(this_disk, this_clock, place, {.keep = 1}, "c");
  save(folder, 1);
  std::int64_t good = 1, failures = 0;
  const auto total = fs::space(disk.path()).available;
  for (std::int64_t step = 2; step < 2 + 40; ++step) {
    // Leaves from nothing to about what a checkpoint needs.
    const std::string filler(total - static_cast<std::size_t>(step - 2) * 1024, 'x');
    const auto fill = disk.path() / "fill";
    write_file(fill, std::as_bytes(std::span(filler)));
    try {
      save(folder, step);
      good = step;
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::temporary) << error.what();
      ++failures;
    }
    fs::remove(fill);
    CheckpointFolder restarted(this_disk, this_clock, place, {.keep = 1}, "c");
    const auto newest = restarted.newest();
    ASSERT_TRUE(newest) << step;
    EXPECT_GE(newest->step(), good);
    EXPECT_TRUE(is_whole(*newest));
  }
  EXPECT_GT(failures, 3);
  EXPECT_GT(good, 2);
}

// Any order of saving, damaging and restarting: what is returned is whole, is the newest that
// was not damaged, and is what `latest` names; no more are kept than asked for.
TEST(CheckpointFolder, RotationLaws) {
  spdlog::set_level(spdlog::level::err);  // every damage would be told
  EXPECT_TRUE(rc::check("the newest whole checkpoint is always there", [] {
    const Scratch scratch = Scratch::in_memory();
    const auto keep = *rc::gen::inRange<std::int64_t>(1, 4);
    auto folder = std::make_unique<CheckpointFolder>(this_disk, this_clock, scratch.path(),
                                                     CheckpointOptions{.keep = keep}, "c");
    std::set<std::int64_t> whole;
    std::int64_t next = 0;
    for (const int action : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 5))) {
      if (action <= 2) {
        next += 1 + action;
        save(*folder, next);
        whole.insert(next);
        while (static_cast<std::int64_t>(whole.size()) > keep) whole.erase(whole.begin());
        RC_ASSERT(fs::read_symlink(scratch.path() / "latest") == step_name(next));
      } else if (action == 3 && !whole.empty()) {
        damage(scratch.path() / step_name(*whole.rbegin()) / "theta.h5");
        whole.erase(std::prev(whole.end()));
        const auto newest = folder->newest();
        RC_ASSERT(newest.has_value() == !whole.empty());
      } else {
        folder = std::make_unique<CheckpointFolder>(this_disk, this_clock, scratch.path(),
                                                    CheckpointOptions{.keep = keep}, "c");
      }
      const auto newest = folder->newest();
      RC_ASSERT(newest.has_value() == !whole.empty());
      if (newest) {
        RC_ASSERT(newest->step() == *whole.rbegin());
        RC_ASSERT(is_whole(*newest));
        RC_ASSERT(fs::read_symlink(scratch.path() / "latest") == step_name(newest->step()));
      }
    }
  }));
  spdlog::set_level(spdlog::level::info);
}

}  // namespace
}  // namespace metaloom
