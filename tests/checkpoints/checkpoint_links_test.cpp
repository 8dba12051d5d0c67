// A copy that follows links has a folder where `latest` was: it ended every save. And starting over
// removed a link to another disk instead of what it points at.
#include <gtest/gtest.h>

#include "core/files/files.h"
#include "tests/checkpoints/sample_run.h"
#include "tests/core/scratch.h"
#include "tests/core/this_machine.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

class CopiedLatest : public testing::Test {
 protected:
  CopiedLatest() {
    CheckpointFolder folder(this_disk, this_clock, home_, {.keep = 2}, "c");
    for (const std::int64_t step : {10, 20}) {
      folder.save(step, sections_at(step), frozen_model());
    }
    folder.finish();
    fs::remove(home_ / "latest");
    fs::copy(home_ / "step_00000020", home_ / "latest", fs::copy_options::recursive);
  }

  void expect_settled(std::int64_t step) {
    CheckpointFolder folder(this_disk, this_clock, home_, {.keep = 2}, "c");
    const auto newest = folder.newest(frozen_model());
    ASSERT_TRUE(newest);
    EXPECT_EQ(newest->step(), step);
    EXPECT_TRUE(is_whole(*newest));
    EXPECT_EQ(fs::read_symlink(home_ / "latest"), step_name(step));
    folder.save(30, sections_at(30), frozen_model());
    folder.finish();
    EXPECT_EQ(fs::read_symlink(home_ / "latest"), step_name(30));
  }

  Scratch scratch_;
  const fs::path home_ = scratch_.path() / "checkpoints";
};

TEST_F(CopiedLatest, IsTheSameCheckpointOnceMore) {
  expect_settled(20);
}

TEST_F(CopiedLatest, IsTheOnlyOne) {
  fs::remove_all(home_ / "step_00000010");
  fs::remove_all(home_ / "step_00000020");
  EXPECT_TRUE(holds_checkpoint(this_disk, home_));
  expect_settled(20);
}

TEST_F(CopiedLatest, IsTheWholeOneOfTheTwo) {
  fs::resize_file(home_ / "step_00000020" / "theta.h5", 10);
  expect_settled(20);
  EXPECT_TRUE(fs::exists(home_ / "quarantine" / "step_00000020"));
}

TEST_F(CopiedLatest, IsTheDamagedOneOfTheTwo) {
  fs::resize_file(home_ / "latest" / "theta.h5", 10);
  expect_settled(20);
}

TEST_F(CopiedLatest, IsAFileThatNamesIt) {
  fs::remove_all(home_ / "latest");
  replace_file(home_ / "latest", "step_00000020");
  EXPECT_TRUE(holds_checkpoint(this_disk, home_));
  expect_settled(20);
}

TEST_F(CopiedLatest, StartingOverLeavesTheLinkAndWhatIsNotOurs) {
  const fs::path link = scratch_.path() / "link";
  fs::create_directory_symlink(home_, link);
  replace_file(home_ / "notes.txt", "mine");
  CheckpointFolder(this_disk, this_clock, link, {}, "c").clear();
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(names(home_), Names{"notes.txt"});
  EXPECT_FALSE(holds_checkpoint(this_disk, link));
}

}  // namespace
}  // namespace metaloom
