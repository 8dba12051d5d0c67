#include "tests/comm/worlds.h"
#include "tests/core/this_machine.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

#include "comm/world.h"
#include "core/registry.h"

namespace metaloom {

namespace {

constexpr double kDeadline = 60;  // of a law; a machine may be busy

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The world of this process, joined by the first law and left after the last.
class ProcessWorld final : public testing::Environment {
 public:
  Communicator& join(const std::string& backend) {
    if (world_ == nullptr) {
      // Ranks that share one GPU must look like nodes of their own to NCCL.
      if (variable("METALOOM_LAW_ONE_GPU") == "1") {
        setenv("NCCL_HOSTID", ("rank" + variable("OMPI_COMM_WORLD_RANK")).c_str(), 1);
      }
      CommOptions options;
      options.deadline = kDeadline;
      world_ = Registry<Communicator>::make(backend, options, this_clock);
    }
    return *world_;
  }
  void TearDown() override { world_.reset(); }

 private:
  std::unique_ptr<Communicator> world_;
};

ProcessWorld* const process_world = static_cast<ProcessWorld*>(
    testing::AddGlobalTestEnvironment(std::make_unique<ProcessWorld>().release()));

}  // namespace

std::vector<WorldKind> worlds_here() {
  const std::string backend = variable("METALOOM_LAW_BACKEND");
  if (!backend.empty()) return {{backend, std::atoi(variable("OMPI_COMM_WORLD_SIZE").c_str())}};
  std::vector<WorldKind> out;
  for (const int size : {1, 2, 3, 4, 7}) out.push_back({"local", size});
  return out;
}

void run_world(const WorldKind& kind, const std::function<void(Communicator&)>& rank_main) {
  if (kind.backend == "local") {
    CommOptions options;
    options.deadline = kDeadline;
    run_local_world(kind.size, options, rank_main);
    return;
  }
  Communicator& comm = process_world->join(kind.backend);
  ASSERT_EQ(comm.size(), kind.size);
  rank_main(comm);
}

at::Device data_device(const WorldKind& kind, const Communicator& comm) {
  return kind.backend == "nccl" ? rank_device(comm.place()) : at::Device(at::kCPU);
}

}  // namespace metaloom
