// Tensors on their way between the ranks of an MPI world. Operations are begun in one order on all
// ranks, cut into chunks, and a few chunks are under way at once: whoever waits for anything pumps
// them. Shows MPI's own header to the backend alone. Owned by the communicator.
#pragma once

#include <ATen/core/Tensor.h>
#include <mpi.h>

#include <cstdint>
#include <deque>
#include <memory>

#include "comm/communicator.h"
#include "comm/roll_call/roll_call.h"

namespace metaloom {

/// The most that one call of MPI is given, which counts in int.
inline constexpr std::int64_t kCallBytes = 1 << 30;

/// Whether MPI has done with it; never blocks.
bool finished(MPI_Request& request);

class MpiTransfers {
 public:
  /// Collective. `roll_call` outlives the transfers.
  MpiTransfers(RollCall& roll_call, int size);
  /// Nothing may be under way: of a wedged world they are leaked, as MPI may still write.
  ~MpiTransfers();
  MpiTransfers(const MpiTransfers&) = delete;
  MpiTransfers& operator=(const MpiTransfers&) = delete;

  enum class Kind { all_reduce, reduce_scatter, all_gather };
  /// As Communicator's operation of that name, whose demands on `data` were checked.
  std::unique_ptr<Pending> begin(Kind kind, at::Tensor data, Reduce how = Reduce::sum);
  /// Finishes the chunks under way and begins the next ones.
  void pump();

 private:
  class OnTheWay;
  struct Transfer {
    std::int64_t operation;
    Kind kind;
    at::Tensor data;  // on the host, of a type that MPI knows
    Reduce how;
    std::int64_t begun = 0;  // elements
  };
  struct Chunk {
    MPI_Request request;
    bool last;
  };
  std::int64_t begin_chunk(const Transfer& transfer, MPI_Request& request);

  RollCall& roll_call_;
  int size_;
  MPI_Comm comm_ = MPI_COMM_NULL;
  std::deque<Transfer> queue_;  // in order; the front ones have chunks in flight
  std::deque<Chunk> flying_;    // in order
  std::size_t started_ = 0;     // transfers of the queue of which all chunks have begun
  std::int64_t done_ = 0;       // the last operation that is complete
};

}  // namespace metaloom
