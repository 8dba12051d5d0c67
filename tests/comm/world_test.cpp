// Choosing a backend from what mpirun, srun and the GPUs of the node leave to be seen, and refusing
// what cannot work before anybody waits.
#include "comm/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <vector>

#include "core/error.h"
#include "core/registry.h"
#include "tests/core/this_machine.h"

namespace metaloom {
namespace {

using testing::HasSubstr;

using Setting = std::pair<const char*, const char*>;

// The variables of launchers as given, all others of them unset; restored afterwards.
class LauncherVariables {
 public:
  explicit LauncherVariables(const std::vector<Setting>& set) {
    for (const char* name :
         {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_SIZE", "SLURM_NTASKS"}) {
      const char* value = std::getenv(name);
      before_[name] = value == nullptr ? std::nullopt : std::optional<std::string>(value);
      unsetenv(name);
    }
    for (const auto& [name, value] : set) setenv(name, value, 1);
  }
  ~LauncherVariables() {
    for (const auto& [name, value] : before_) {
      if (value) {
        setenv(name.c_str(), value->c_str(), 1);
      } else {
        unsetenv(name.c_str());
      }
    }
  }

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::usage);
    return error.what();
  }
  return "nothing was thrown";
}

TEST(World, APlainProcessIsAWorldOfItsOwn) {
  const LauncherVariables none(std::vector<Setting>{});
  EXPECT_FALSE(started_by_launcher());
  const auto world = join_world({}, this_clock);
  EXPECT_EQ(world->size(), 1);
  const Section section(*world, "test");
  EXPECT_EQ(world->vote({4, -1}), (std::vector<std::int64_t>{4, -1}));
  EXPECT_EQ(world->all_gather("x"), std::vector<std::string>{"x"});
}

TEST(World, MpiNeedsALauncher) {
  const LauncherVariables none(std::vector<Setting>{});
  EXPECT_THAT(refusal([] { Registry<Communicator>::make("mpi", CommOptions{}, this_clock); }),
              HasSubstr("mpirun -np N"));
}

TEST(World, SlurmTasksThatDoNotKnowOfEachOtherAreRefused) {
  const LauncherVariables srun_without_pmix(std::vector<Setting>{{"SLURM_NTASKS", "8"}});
  EXPECT_THAT(refusal([] { join_world({}, this_clock); }), HasSubstr("srun --mpi=pmix"));
  CommOptions options;
  options.backend = "mpi";
  EXPECT_THAT(refusal([&] { join_world(options, this_clock); }), HasSubstr("srun --mpi=pmix"));
  options.backend = "local";  // said so
  EXPECT_EQ(join_world(options, this_clock)->size(), 1);
}

TEST(World, ASingleRankOfMpirunInsideAnAllocationIsFine) {
  const LauncherVariables mpirun(
      std::vector<Setting>{{"SLURM_NTASKS", "8"}, {"OMPI_COMM_WORLD_SIZE", "1"}});
  EXPECT_TRUE(started_by_launcher());
  EXPECT_NO_THROW(refuse_split_world(1));
  const LauncherVariables one_task(std::vector<Setting>{{"SLURM_NTASKS", "1"}});
  EXPECT_NO_THROW(refuse_split_world(1));
}

TEST(World, AnUnknownBackendIsRefusedWithTheNearestKnown) {
  CommOptions options;
  options.backend = "mpl";
  EXPECT_THAT(refusal([&] { join_world(options, this_clock); }), HasSubstr("\"mpi\""));
}

TEST(World, TheCpuIsTheDeviceWhereNoGpuIsVisible) {
  const LauncherVariables none(std::vector<Setting>{});
  const auto world = join_world({}, this_clock);
  if (rank_device(world->place()).is_cuda()) GTEST_SKIP() << "a GPU is visible here";
  const auto names = Registry<Communicator>::names();
  if (std::find(names.begin(), names.end(), "nccl") == names.end()) {
    GTEST_SKIP() << "built without CUDA: no nccl";
  }
  EXPECT_THAT(refusal([] { Registry<Communicator>::make("nccl", CommOptions{}, this_clock); }),
              HasSubstr("no GPU is visible"));
}

}  // namespace
}  // namespace metaloom
