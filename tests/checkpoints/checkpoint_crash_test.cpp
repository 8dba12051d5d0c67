// A crash at any step of a save, on a disk that keeps only what it must: what was finished is found
// again, whole. The controls leave out, or move, one step of the protocol, and are found out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/log/log.h"
#include "tests/checkpoints/sample_run.h"
#include "tests/core/simulated_disk.h"
#include "tests/core/virtual_time.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;
using testing::Not;

const fs::path kHome = "/runs/a/checkpoints";
constexpr int kSeeds = 3;  // for each step

/// Saves 1, 2, 3, and 3 once more; tells which steps were said to be durable.
void save_all(Disk& disk, std::int64_t& durable) {
  VirtualTime time;
  time.run([&] {
    CheckpointFolder folder(disk, time, kHome, {.keep = 1}, "c");
    folder.claim();
    for (const std::int64_t step : {1, 2, 3, 3}) {
      save(folder, step);
      durable = step;
    }
  });
}

/// What is wrong after a restart, nothing if all is well: what people find by `latest`, and what
/// the next start of the run finds.
std::string wrong(Disk& disk, std::int64_t durable, bool latest_may_dangle) {
  std::string out;
  VirtualTime time;
  time.run([&] {
    try {
      const fs::path latest = kHome / "latest";
      const bool dangles = latest_may_dangle && !disk.look(latest);
      if (disk.look(latest, Links::stop) && !dangles && !is_whole(Checkpoint::open(disk, latest))) {
        out = "latest is not whole";
      }
    } catch (const Error& error) {
      out = error.what();
    }
    CheckpointFolder folder(disk, time, kHome, {.keep = 1}, "c");
    const auto newest = folder.newest(frozen_model());
    if (!newest && durable > 0) out = "nothing is left";
    if (!newest) return;
    if (newest->step() < durable || newest->step() > durable + 1) out = "another step";
    if (!is_whole(*newest)) out = "the newest is not whole";
    if (disk.look(kHome / "latest", Links::stop).target != step_name(newest->step())) {
      out = "latest was not set";
    }
  });
  return out;
}

/// Crashes before every step of save_all, each on a new disk that `prepare` has seen, until
/// something is wrong: what.
template <class D>
std::string first_wrong(const std::function<void(D&)>& prepare) {
  spdlog::set_level(spdlog::level::off);  // every damage would be told
  std::string out;
  bool crashed = true;
  for (std::int64_t at = 1; crashed && out.empty(); ++at) {
    for (int seed = 0; seed < kSeeds && out.empty(); ++seed) {
      D disk;
      prepare(disk);
      std::int64_t durable = 0;
      disk.crash_before(at);
      try {
        save_all(disk, durable);
        crashed = false;
      } catch (const Crash&) {
      }
      disk.restart(static_cast<std::uint64_t>(at * kSeeds + seed));
      const std::string what = wrong(disk, durable, !disk.exchanges);
      if (!what.empty()) out = fmt::format("step {}, seed {}: {}", at, seed, what);
    }
  }
  spdlog::set_level(spdlog::level::info);
  return out;
}

TEST(CheckpointCrash, LosesNothingThatWasFinished) {
  for (const bool exchanges : {true, false}) {
    EXPECT_THAT(
        first_wrong<SimulatedDisk>([&](SimulatedDisk& disk) { disk.exchanges = exchanges; }),
        IsEmpty());
  }
}

TEST(CheckpointCrash, ASyncLeftOutIsFoundOut) {
  const auto forgetting = [](const fs::path& name) {
    return first_wrong<SimulatedDisk>([&](SimulatedDisk& disk) {
      disk.forgets = [name](const fs::path& path) {
        const std::string last = path.filename().string();
        return path == name || last == name || last.starts_with(name.string() + kTemporary);
      };
    });
  };
  for (const fs::path& name : {fs::path("manifest.json"), fs::path("theta.h5"), kHome,
                               fs::path("step_00000003"), fs::path("shared"), fs::path("/runs")}) {
    EXPECT_THAT(forgetting(name), Not(IsEmpty())) << name;
  }
}

/// Moves `latest` when a step is begun instead of when it is finished.
class LatestFirst final : public SimulatedDisk {
 public:
  void make_folder(const fs::path& folder) override {
    SimulatedDisk::make_folder(folder);
    const std::string name = folder.filename().string();
    const auto mark = name.find(kTemporary);
    if (mark != std::string::npos) replace_link(kHome / "latest", name.substr(0, mark));
  }
};

TEST(CheckpointCrash, LatestMovedTooEarlyIsFoundOut) {
  EXPECT_THAT(first_wrong<LatestFirst>([](LatestFirst&) {}), Not(IsEmpty()));
}

TEST(CheckpointCrash, AStepThatFailsHarmsNothingAndTheNextSaveSucceeds) {
  spdlog::set_level(spdlog::level::off);
  bool failed = true;
  std::int64_t steps = 0;
  for (std::int64_t at = 1; failed; ++at) {
    SimulatedDisk disk;
    VirtualTime time;
    time.run([&] {
      CheckpointFolder folder(disk, time, kHome, {.keep = 1}, "c");
      save(folder, 1);
      const std::int64_t before = disk.steps();
      disk.fail(before + at, EIO);
      try {
        save(folder, 2);
      } catch (const Error& error) {
        EXPECT_EQ(error.fault(), Fault::temporary) << error.what();
      }
      failed = disk.steps() >= before + at;
      disk.fail(0, 0);
      steps += failed ? 1 : 0;
      EXPECT_TRUE(is_whole(Checkpoint::open(disk, kHome / "latest"))) << at;
      save(folder, 3);
      EXPECT_EQ(folder.newest()->step(), 3) << at;
      EXPECT_TRUE(is_whole(*folder.newest())) << at;
    });
  }
  EXPECT_GT(steps, 20);
  spdlog::set_level(spdlog::level::info);
}

TEST(CheckpointCrash, AFullDiskKeepsTheLastGoodOne) {
  // As CheckpointFolder.EveryFullnessOfTheDisk..., where no disk can be mounted.
  spdlog::set_level(spdlog::level::off);
  int failures = 0, successes = 0;
  for (std::uint64_t room = 0; room < 60000; room += 1500) {
    SimulatedDisk disk;
    VirtualTime time;
    time.run([&] {
      CheckpointFolder folder(disk, time, kHome, {.keep = 1}, "c");
      save(folder, 1);
      disk.capacity = room;
      try {
        save(folder, 2);
        ++successes;
      } catch (const Error& error) {
        EXPECT_EQ(error.fault(), Fault::temporary) << error.what();
        ++failures;
      }
      EXPECT_TRUE(is_whole(*folder.newest())) << room;
    });
  }
  EXPECT_GT(failures, 3);
  EXPECT_GT(successes, 3);
  spdlog::set_level(spdlog::level::info);
}

}  // namespace
}  // namespace metaloom
