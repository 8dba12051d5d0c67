// This process as a rank of an MPI world, without MPI's own header: joining, its place on the
// host, leaving, and the channel of its notes. MPI is the process's, so it is joined once, by the
// first communicator, and left with the last.
#pragma once

#include <memory>
#include <vector>

#include "comm/place.h"
#include "comm/roll_call/notes.h"
#include "comm/roll_call/peers.h"

namespace metaloom {

struct MpiWorld {
  Place place;
  std::vector<Peer> peers;  // by rank
};

/// Joins MPI (collective). Throws Error{usage} where Slurm started tasks that MPI does not join.
MpiWorld join_mpi();
/// Leaves MPI where this was the last communicator (collective).
void leave_mpi();
/// Ends all processes; returns only where MPI could not.
void abort_mpi(int exit_code);

/// A channel of its own for notes (collective). Destroy it before leaving, after a barrier.
std::unique_ptr<NoteChannel> open_mpi_notes();

/// Throws Error{temporary} with MPI's own words unless `code` is success.
void check_mpi(int code, const char* call);

}  // namespace metaloom
