// Joining the world: which backend this process runs on, and its share of the node's cores and
// GPUs. The only place that knows the environment that mpirun and srun leave behind.
#pragma once

#include <memory>

#include "comm/communicator.h"

namespace metaloom {

/// Joins the world that `options.backend` names (collective). auto: nccl where every rank has a
/// GPU and the run may use it, mpi where mpirun or srun started this process, else a world of one.
std::unique_ptr<Communicator> join_world(const CommOptions& options, Clock& clock);

/// Threads for one rank's arithmetic: options.threads, or the cores that are its own
/// (comm/cores.h).
int threads_per_rank(const CommOptions& options, const Place& place);

/// The accelerator of this rank: device 0 where one is visible, else the one of its local rank;
/// the CPU where none is visible or the build has no CUDA.
at::Device rank_device(const Place& place);

/// Whether a launcher (mpirun, or srun with PMI) started this process as a rank of an MPI world.
bool started_by_launcher();

/// Throws Error{usage} where Slurm started several tasks that do not know of each other.
void refuse_split_world(int world_size);

}  // namespace metaloom
