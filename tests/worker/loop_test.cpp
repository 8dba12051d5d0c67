// The loop with all that surrounds it, on a method of four numbers: stopped after any update and
// started again, a run leaves the metrics of one that nobody stopped.
#include "worker/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <sstream>

#include "core/files/files.h"
#include "core/json.h"
#include "core/log/log.h"
#include "core/registry.h"
#include "tests/core/scratch.h"
#include "tests/core/simulated_disk.h"
#include "tests/core/this_machine.h"
#include "tests/core/virtual_time.h"
#include "tests/worker/toy_run.h"

namespace metaloom {
namespace {

constexpr std::int64_t kSteps = 6;

/// Runs updates until the end, or until told to stop at update `stop`, as launcher/stage/stage.cpp
/// does.
bool run(int world, const std::filesystem::path& folder, const MixOptions& data, std::int64_t stop,
         Disk& disk = this_disk, Clock& clock = this_clock, const std::string& how = "ordered") {
  bool finished = false;
  disk.make_folder(folder);
  run_local_world(world, {}, clock, [&](Communicator& comm) {
    const Mix mix(data, Rng(1));
    const ToyMethod method;
    FlatParams theta = flat_theta(method);
    const auto reduction = Registry<GradientReduction>::make(how, comm, theta);
    Optimizer optimizer({.rate = 0.1}, theta, reduction->shard());
    const CheckpointOptions saves{.every = 3};
    std::optional<CheckpointFolder> checkpoints;
    if (comm.rank() == 0) checkpoints.emplace(disk, clock, folder / "checkpoints", saves, "c");
    CheckpointFolder* own = checkpoints ? &*checkpoints : nullptr;
    std::string newest;
    if (own != nullptr) {
      if (const auto found = own->newest()) newest = found->folder().string();
    }
    newest = comm.all_gather(newest).front();
    RunProgress progress{.threads = 1, .stage = "toy"};
    if (!newest.empty()) progress = resume_run(Checkpoint::open(disk, newest), theta, optimizer);
    std::optional<MetricsFile> metrics;
    if (comm.rank() == 0) metrics.emplace(disk, folder / "metrics.jsonl", progress.step);
    const Lineage lineage;
    const std::map<std::string, std::string> texts;
    const std::map<std::string, Archive> shared;
    Fence fence({comm, theta, optimizer, progress, lineage, texts, shared, own,
                 metrics ? &*metrics : nullptr, [&] { return progress.step + 1 == stop; }},
                saves, kSteps, 0);
    EvaluationOptions evaluations;
    evaluations.every = 2;
    evaluations.batches = 3;
    const auto context = [](std::int64_t step) {
      return StepContext{step, kSteps, Rng(2).at({step})};
    };
    Diagnostics diagnostics(
        {comm, method, mix, metrics ? &*metrics : nullptr, "toy", kSteps, context}, evaluations,
        progress.step);
    if (progress.step == 0) {
      diagnostics.before(theta.values());
    } else {
      diagnostics.validate(progress.step, theta.values());
    }
    const bool ended = run_loop(
        {comm, mix, method, theta, *reduction, optimizer, fence, diagnostics, context, kSteps},
        progress.step);
    fence.finish();
    if (ended) diagnostics.after(theta.values());
    if (comm.rank() == 0) finished = ended;
  });
  return finished;
}

/// The lines of a run's metrics, without what the clock says.
std::vector<std::string> curve(const std::filesystem::path& folder, Disk& disk = this_disk) {
  std::vector<std::string> out;
  std::istringstream in(disk.read_text(folder / "metrics.jsonl"));
  for (std::string line; std::getline(in, line);) {
    Json json = parse_json(line, "metrics");
    for (const char* timed : {"time", "tokens_per_s", "tasks_per_s"}) json.erase(timed);
    out.push_back(json.dump());
  }
  return out;
}

std::vector<std::int64_t> scored(const std::filesystem::path& folder) {
  std::vector<std::int64_t> out;
  for (const std::string& line : curve(folder)) {
    const Json json = parse_json(line, "metrics");
    if (json.at("kind") == "evaluation") out.push_back(json.at("step"));
  }
  return out;
}

using Steps = std::vector<std::int64_t>;

TEST(Loop, StoppedAndResumedLeavesTheMetricsOfAnUndisturbedRun) {
  const Scratch scratch;
  const MixOptions data = toy_mix(scratch.path());
  const auto whole = scratch.path() / "whole";
  ASSERT_TRUE(run(1, whole, data, /*stop=*/-1));
  EXPECT_EQ(scored(whole), (Steps{0, 2, 4, 6}));
  for (std::int64_t stop = 1; stop < kSteps; ++stop) {
    SCOPED_TRACE(stop);
    const auto again = scratch.path() / ("stopped_" + std::to_string(stop));
    EXPECT_FALSE(run(2, again, data, stop));
    // Told to stop, it saves and scores nothing more: its time may be short.
    EXPECT_EQ(Checkpoint::open(this_disk, again / "checkpoints" / "latest").step(), stop);
    EXPECT_EQ(scored(again), stop > 4 ? (Steps{0, 2, 4}) : stop > 2 ? (Steps{0, 2}) : (Steps{0}));
    EXPECT_TRUE(run(1, again, data, /*stop=*/-1));
    EXPECT_EQ(curve(again), curve(whole));
  }
}

TEST(Loop, ThePersonWhoWatchesSeesTheMethodsFirstMetric) {
  // What broke: the progress line knew no other than "accuracy".
  const Scratch scratch;
  ::testing::internal::CaptureStderr();
  ASSERT_TRUE(run(1, scratch.path() / "run", toy_mix(scratch.path()), /*stop=*/-1));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::ContainsRegex("6/6  loss [0-9.]+  distance [0-9.]+  [0-9]+ tokens"));
}

TEST(Loop, AnyReductionIsResumedOnAnotherNumberOfRanks) {
  // The optimizer's state too, of which each rank of some reductions holds a share alone.
  const Scratch scratch;
  const MixOptions data = toy_mix(scratch.path());
  const auto last = [&](const std::string& run) {
    return Checkpoint::open(this_disk, scratch.path() / run / "checkpoints" / "latest");
  };
  make_folder(scratch.path() / "whole");
  ASSERT_TRUE(run(1, scratch.path() / "whole", data, /*stop=*/-1));
  for (const std::string& how : Registry<GradientReduction>::names()) {
    SCOPED_TRACE(how);
    make_folder(scratch.path() / how);
    ASSERT_FALSE(run(3, scratch.path() / how, data, /*stop=*/4, this_disk, this_clock, how));
    ASSERT_TRUE(run(2, scratch.path() / how, data, /*stop=*/-1, this_disk, this_clock, how));
    for (const char* section : {"theta", "optimizer"}) {
      const Archive parted = last(how).read(section), whole = last("whole").read(section);
      for (const auto& [path, value] : whole.tensors()) {
        EXPECT_TRUE(at::allclose(parted.get(path), value, 1e-12, 1e-15)) << path;
      }
    }
  }
}

TEST(Loop, ResumedWhereItHadScoredItHasEveryScoreOnce) {
  const Scratch scratch;
  const MixOptions data = toy_mix(scratch.path());
  ASSERT_FALSE(run(1, scratch.path(), data, /*stop=*/4));
  // As if killed after the scores of update 4, and again at once after the resume.
  for (int killed = 0; killed < 2; ++killed) {
    ASSERT_FALSE(run(1, scratch.path(), data, /*stop=*/5));
    std::filesystem::remove_all(scratch.path() / "checkpoints" / "step_00000005");
  }
  ASSERT_TRUE(run(1, scratch.path(), data, /*stop=*/-1));
  EXPECT_EQ(scored(scratch.path()), (Steps{0, 2, 4, 6}));
}

// What broke: the run's own folder was never synced into the one around it, and a crash of the
// machine after the run's end took all of it; and the metrics never were, so that a checkpoint
// outran its curve. In virtual time, on a disk that crashes again and again and loses what was not
// synced: what the simulation of the whole runtime will be made of.
TEST(Loop, ThatCrashesAgainAndAgainEndsAsOneThatNobodyDisturbed) {
  spdlog::set_level(spdlog::level::off);
  const Scratch scratch;
  const MixOptions data = toy_mix(scratch.path());
  const auto start = [&](SimulatedDisk& disk, std::uint64_t seed) {
    VirtualTime time(seed);
    time.run([&] { EXPECT_TRUE(run(2, "/run", data, /*stop=*/-1, disk, time)); });
  };
  const auto result = [](SimulatedDisk& disk) {
    return Checkpoint::open(disk, "/run/checkpoints/latest").section_digest("theta");
  };
  SimulatedDisk calm;
  start(calm, 0);
  EXPECT_EQ(curve("/run", calm).size(), 10u);  // updates, and scores of 0, 2, 4, 6
  int crashes = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Rng rng(seed, "crashes");
    SimulatedDisk disk;
    bool finished = false;
    for (int tries = 0; !finished; ++tries) {
      ASSERT_LT(tries, 200);
      disk.crash_before(1 + rng.below(2 * tries, 90));
      try {
        start(disk, 1000 * seed + static_cast<std::uint64_t>(tries));
        finished = true;
      } catch (const Crash&) {
        ++crashes;
      }
      disk.restart(static_cast<std::uint64_t>(rng.below(2 * tries + 1, 1 << 30)));
    }
    EXPECT_EQ(result(disk), result(calm)) << seed;
    EXPECT_EQ(curve("/run", disk), curve("/run", calm)) << seed;
  }
  EXPECT_GT(crashes, 20);
  spdlog::set_level(spdlog::level::info);
}

}  // namespace
}  // namespace metaloom
