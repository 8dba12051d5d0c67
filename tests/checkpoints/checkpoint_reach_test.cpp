// What looks like damage and is none: a shared file whose content the run holds, a checkpoint of a
// newer release, files that may not be read.
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/digest.h"
#include "core/json.h"
#include "tests/checkpoints/sample_run.h"
#include "tests/core/expect_error.h"
#include "tests/core/scratch.h"
#include "tests/core/this_machine.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

TEST(CheckpointFolder, ADamagedSharedFileCondemnsNoStepWhereTheRunHoldsItsContent) {
  for (const bool vanished : {false, true}) {
    const Scratch scratch;
    const auto shared = scratch.path() / "shared";
    {
      CheckpointFolder folder(this_disk, this_clock, scratch.path(), {.keep = 3}, "c");
      for (const std::int64_t step : {1, 2}) save(folder, step);
    }
    const fs::path file = fs::directory_iterator(shared)->path();
    if (vanished) {
      fs::remove(file);
    } else {
      damage(file);
    }
    CheckpointFolder restarted(this_disk, this_clock, scratch.path(), {.keep = 3}, "c");
    const auto newest = restarted.newest(frozen_model());
    ASSERT_TRUE(newest);
    EXPECT_EQ(newest->step(), 2);
    EXPECT_TRUE(is_whole(*newest));
    EXPECT_TRUE(is_whole(Checkpoint::open(this_disk, scratch.path() / "step_00000001")));
    EXPECT_FALSE(fs::exists(scratch.path() / "quarantine"));
    save(restarted, 3);
    EXPECT_TRUE(is_whole(*restarted.newest()));
    EXPECT_EQ(names(shared).size(), 1u);
    // The control: without its content there is nothing to save the steps with.
    damage(file);
    EXPECT_FALSE(
        CheckpointFolder(this_disk, this_clock, scratch.path(), {.keep = 3}, "c").newest());
  }
}

TEST(CheckpointFolder, ASupersededAttemptNeverCommits) {
  const Scratch scratch;
  CheckpointFolder old(this_disk, this_clock, scratch.path(), {}, "c");
  old.claim();
  save(old, 1);
  CheckpointFolder next(this_disk, this_clock, scratch.path(), {}, "c");
  next.claim();
  EXPECT_EQ(next.newest()->step(), 1);
  old.save(2, sections_at(2), frozen_model());
  EXPECT_ERROR(old.finish(), Fault::usage, "taken over", "attempt");
  EXPECT_EQ(names(scratch.path()), (Names{"attempt", "latest", "shared", "step_00000001"}));
  save(next, 2);
  EXPECT_EQ(next.newest()->step(), 2);
  EXPECT_TRUE(is_whole(*next.newest()));
}

TEST(CheckpointFolder, ARunGoesOnWithTheModelItBeganWithOrNotAtAll) {
  const Scratch scratch;
  save(*std::make_unique<CheckpointFolder>(this_disk, this_clock, scratch.path(),
                                           CheckpointOptions{}, "c"),
       1);
  const auto shared = names(scratch.path() / "shared");
  CheckpointFolder restarted(this_disk, this_clock, scratch.path(), {}, "c");
  EXPECT_ERROR(restarted.newest(frozen_model(7)), Fault::usage, "model is not the one it began",
               "step_00000001", "provenance.json");
  EXPECT_EQ(names(scratch.path() / "shared"), shared);
  EXPECT_TRUE(is_whole(
      *CheckpointFolder(this_disk, this_clock, scratch.path(), {}, "c").newest(frozen_model())));
}

TEST(CheckpointFolder, ANewRunWritesNoSharedFileBeforeItsFirstSave) {
  const Scratch scratch;
  EXPECT_FALSE(
      CheckpointFolder(this_disk, this_clock, scratch.path(), {}, "c").newest(frozen_model()));
  EXPECT_TRUE(names(scratch.path()).empty());
}

TEST(CheckpointFolder, WhatANewerReleaseWroteIsNotSetAside) {
  const Scratch scratch;
  CheckpointFolder folder(this_disk, this_clock, scratch.path(), {}, "c");
  save(folder, 1);
  save(folder, 2);
  const fs::path file = scratch.path() / "step_00000002" / "manifest.json";
  Json json = parse_json(read_text(file), "manifest");
  json.erase("xxh3");
  json["version"] = 2;
  json["xxh3"] = hex(digest(json.dump()));
  replace_file(file, json.dump());
  EXPECT_ERROR(folder.newest(), Fault::usage, "format version 2", "release of metaloom");
  EXPECT_TRUE(fs::exists(file));
  EXPECT_FALSE(fs::exists(scratch.path() / "quarantine"));
}

// Root may read everything: another user asks, where there is one to become.
class NotRoot {
 public:
  NotRoot() { became_ = ::geteuid() == 0 && ::seteuid(65534) == 0; }
  ~NotRoot() {
    if (became_) became_ = ::seteuid(0) != 0;
  }

 private:
  bool became_ = false;
};

TEST(CheckpointFolder, WhatMayNotBeReadIsNotDamaged) {
  const Scratch scratch;
  fs::permissions(scratch.path(), fs::perms(0755));
  CheckpointFolder folder(this_disk, this_clock, scratch.path(), {}, "c");
  save(folder, 1);
  const fs::path step = scratch.path() / "step_00000001";
  for (const fs::path& file : {step / "theta.h5", step / "manifest.json", step}) {
    fs::permissions(file, fs::perms::none);
    {
      const NotRoot nobody;
      EXPECT_ERROR(folder.newest(), Fault::temporary, "cannot be reached", "permission");
    }
    fs::permissions(file, fs::perms(0755));
    EXPECT_TRUE(is_whole(*folder.newest()));
  }
  EXPECT_FALSE(fs::exists(scratch.path() / "quarantine"));
}

}  // namespace
}  // namespace metaloom
