#include "checkpoints/checkpoint.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/files/files.h"
#include "tests/checkpoints/sample_run.h"
#include "tests/core/expect_error.h"
#include "tests/core/scratch.h"
#include "tests/core/this_machine.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    CheckpointFolder folder(this_disk, this_clock, place(), {}, "config");
    folder.save(120, sections_at(120), frozen_model());
    folder.finish();
  }
  fs::path place() const { return scratch_.path() / "run" / "checkpoints"; }
  fs::path step() const { return place() / "step_00000120"; }
  fs::path run() const { return scratch_.path() / "run"; }
  fs::path shared_file() const { return fs::directory_iterator(place() / "shared")->path(); }

 private:
  Scratch scratch_ = Scratch::in_memory();
};

TEST_F(CheckpointTest, RoundTrip) {
  const Checkpoint checkpoint = Checkpoint::open(this_disk, step());
  EXPECT_EQ(checkpoint.step(), 120);
  EXPECT_EQ(checkpoint.config_digest(), "config");
  EXPECT_EQ(checkpoint.sections(),
            (std::vector<std::string>{"model", "optimizer", "progress", "theta"}));
  EXPECT_TRUE(checkpoint.contains("theta"));
  EXPECT_TRUE(is_whole(checkpoint));
  EXPECT_EQ(checkpoint.manifest(), read_text(step() / "manifest.json"));
  EXPECT_EQ(checkpoint.attempt().size(), 16u);
}

TEST_F(CheckpointTest, OpensThroughLinksFromAnywhere) {
  const Scratch elsewhere = Scratch::in_memory();
  fs::create_directory_symlink(place() / "latest", elsewhere.path() / "mine");
  EXPECT_TRUE(is_whole(Checkpoint::open(this_disk, elsewhere.path() / "mine")));
}

TEST_F(CheckpointTest, UnknownSectionsNameTheNearest) {
  EXPECT_ERROR(Checkpoint::open(this_disk, step()).read("tehta"), Fault::data,
               "no section \"tehta\"", "Did you mean \"theta\"?");
}

TEST_F(CheckpointTest, MissingPartsAreNamed) {
  fs::rename(step() / "theta.h5", step() / "x");
  EXPECT_ERROR(Checkpoint::open(this_disk, step()), Fault::data, "section \"theta\" cannot be read",
               "theta.h5");
  fs::rename(step() / "x", step() / "theta.h5");
  fs::rename(step() / "manifest.json", step() / "x");
  EXPECT_ERROR(Checkpoint::open(this_disk, step()), Fault::data, "manifest.json", "No such file");
  fs::rename(step() / "x", step() / "manifest.json");
  fs::remove(shared_file());
  EXPECT_ERROR(Checkpoint::open(this_disk, step()), Fault::data, "section \"model\" cannot be read",
               "shared/");
}

TEST_F(CheckpointTest, SwappedFilesAreFound) {
  // Of equal size, so that only the digest tells.
  const auto theta = read_bytes(step() / "theta.h5");
  CheckpointFolder folder(this_disk, this_clock, place(), {}, "config");
  folder.save(121, sections_at(121), frozen_model());
  folder.finish();
  ASSERT_EQ(fs::file_size(place() / "step_00000121" / "theta.h5"), theta.size());
  write_file(place() / "step_00000121" / "theta.h5", theta);
  EXPECT_ERROR(Checkpoint::open(this_disk, place() / "step_00000121"), Fault::data,
               "another digest");
}

TEST_F(CheckpointTest, ChangedAfterOpeningIsFoundToo) {
  const Checkpoint checkpoint = Checkpoint::open(this_disk, step());
  auto bytes = read_bytes(step() / "theta.h5");
  bytes[bytes.size() / 2] ^= std::byte(1);
  write_file(step() / "theta.h5", bytes);
  EXPECT_ERROR(checkpoint.read("theta"), Fault::data, "another digest");
}

TEST_F(CheckpointTest, RenamedFoldersAreFound) {
  fs::rename(step(), place() / "step_00000130");
  EXPECT_ERROR(Checkpoint::open(this_disk, place() / "step_00000130"), Fault::data, "of step 120");
}

TEST_F(CheckpointTest, NoFlippedByteOfAnyFileIsTaken) {
  const Rng rng(3, "flips");
  std::vector<fs::path> files = {shared_file()};
  for (const auto& entry : fs::directory_iterator(step())) files.push_back(entry.path());
  ASSERT_EQ(files.size(), 5u);
  for (const auto& file : files) {
    const std::string whole = read_text(file);
    const bool is_manifest = file.extension() == ".json";
    const int trials = is_manifest ? static_cast<int>(whole.size()) : 60;
    for (int trial = 0; trial < trials; ++trial) {
      const auto at = is_manifest ? trial : rng.below(2 * trial, whole.size());
      std::string damaged = whole;
      damaged[static_cast<std::size_t>(at)] ^= static_cast<char>(1 << rng.below(2 * trial + 1, 8));
      std::ofstream(file, std::ios::binary) << damaged;
      try {
        EXPECT_TRUE(is_whole(Checkpoint::open(this_disk, step()))) << file << " byte " << at;
        EXPECT_TRUE(is_manifest) << file << " byte " << at;  // white space may change there
      } catch (const Error& error) {
        EXPECT_EQ(error.fault(), Fault::data) << error.what();
      }
    }
    for (const std::size_t size : {std::size_t{0}, whole.size() / 2, whole.size() - 1}) {
      std::ofstream(file, std::ios::binary) << whole.substr(0, size);
      // The last byte of a manifest is a line end, which JSON does without.
      if (is_manifest && size == whole.size() - 1) continue;
      EXPECT_ERROR(Checkpoint::open(this_disk, step()), Fault::data, file.filename().string());
    }
    std::ofstream(file, std::ios::binary) << whole;
  }
  EXPECT_TRUE(is_whole(Checkpoint::open(this_disk, step())));
}

TEST_F(CheckpointTest, ResolvesWhatAPersonMayName) {
  for (const fs::path& path : {step(), place() / "latest", place(), run(), run() / ""}) {
    EXPECT_EQ(resolve_checkpoint(this_disk, path), fs::canonical(step())) << path;
  }
  fs::remove(place() / "latest");
  EXPECT_EQ(resolve_checkpoint(this_disk, run()), fs::canonical(step()));
}

TEST_F(CheckpointTest, ResolvesTheLastStage) {
  const Scratch stages;
  for (const std::string name : {"2_spt", "10_last", "11_empty", "notes"}) {
    fs::create_directories(stages.path() / name);
  }
  fs::copy(run(), stages.path() / "2_spt",
           fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  fs::copy(run(), stages.path() / "10_last",
           fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  EXPECT_EQ(resolve_checkpoint(this_disk, stages.path()),
            fs::canonical(stages.path() / "10_last/checkpoints/step_00000120"));
  // Its control, which the folder may list first.
  fs::rename(stages.path() / "2_spt", stages.path() / "10_last_control");
  EXPECT_EQ(resolve_checkpoint(this_disk, stages.path()),
            fs::canonical(stages.path() / "10_last/checkpoints/step_00000120"));
}

TEST_F(CheckpointTest, SaysWhatIsThereInstead) {
  const Scratch other;
  EXPECT_ERROR(resolve_checkpoint(this_disk, other.path()), Fault::data, "an empty folder");
  EXPECT_ERROR(resolve_checkpoint(this_disk, other.path() / "no"), Fault::data,
               "no checkpoint here, but nothing");
  std::ofstream(other.path() / "notes.txt") << "x";
  EXPECT_ERROR(resolve_checkpoint(this_disk, other.path()), Fault::data, "a folder with notes.txt");
  EXPECT_ERROR(resolve_checkpoint(this_disk, other.path() / "notes.txt"), Fault::data, "a file");
  fs::create_symlink("nowhere", other.path() / "latest");
  EXPECT_ERROR(resolve_checkpoint(this_disk, other.path() / "latest"), Fault::data,
               "a link to nothing", "runs/x/checkpoints/latest");
}

}  // namespace
}  // namespace metaloom
