#include "comm/world.h"

#include <ATen/core/Tensor.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "core/error.h"
#include "core/registry.h"

namespace metaloom {

namespace {

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

int visible_devices() {
  return at::detail::getCUDAHooks().hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
}

bool has_backend(const std::string& name) {
  const auto names = Registry<Communicator>::names();
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool started_by_launcher() {
  // Open MPI's mpirun and PMIx; MPICH's and Intel's mpirun; srun --mpi=pmi2; MVAPICH's.
  for (const char* variable :
       {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_SIZE"}) {
    if (is_set(variable)) return true;
  }
  return false;
}

void refuse_split_world(int world_size) {
  // mpirun inside an allocation may well start a single rank; srun's tasks are all meant.
  if (world_size > 1 || is_set("OMPI_COMM_WORLD_SIZE") || !is_set("SLURM_NTASKS")) return;
  const int tasks = std::atoi(std::getenv("SLURM_NTASKS"));
  if (tasks <= 1) return;
  throw Error(
      Fault::usage,
      fmt::format("Slurm counts {} tasks (SLURM_NTASKS), but this one knows of no other", tasks),
      "comm.backend",
      "Start with srun --mpi=pmix or mpirun; for a single process set comm.backend=local.");
}

std::unique_ptr<Communicator> join_world(const CommOptions& options, Clock& clock) {
  if (options.backend != "auto")
    return Registry<Communicator>::make(options.backend, options, clock);
  if (!started_by_launcher()) {
    refuse_split_world(1);
    return Registry<Communicator>::make("local", options, clock);
  }
  std::unique_ptr<Communicator> world = Registry<Communicator>::make("mpi", options, clock);
  if (world->size() == 1 || !options.gpus || !has_backend("nccl")) return world;
  // The smallest number of devices that a rank sees, as the largest of its negative.
  if (world->vote({-visible_devices()}).front() >= 0) return world;
  return Registry<Communicator>::make("nccl", options, clock);  // joins before `world` is left
}

int threads_per_rank(const CommOptions& options, const Place& place) {
  if (options.threads > 0) return static_cast<int>(options.threads);
  return std::max(1, place.cores);
}

at::Device rank_device(const Place& place) {
  const int devices = visible_devices();
  if (devices == 0) return at::kCPU;
  if (devices == 1) return at::Device(at::kCUDA, 0);
  if (place.local_rank >= devices) {
    throw Error(Fault::usage,
                fmt::format("rank {} is number {} of host {}, which shows {} GPUs", place.rank,
                            place.local_rank + 1, place.host, devices),
                "", "Start at most one rank per GPU of a node.");
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(place.local_rank));
}

}  // namespace metaloom
