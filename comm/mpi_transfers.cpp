#include "comm/mpi_transfers.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "comm/mpi_world.h"
#include "core/error.h"

namespace metaloom {

namespace {

constexpr std::int64_t kChunkBytes = 1 << 19;  // times ranks: stays in the caches
constexpr std::size_t kInFlight = 4;           // chunks at once

MPI_Datatype mpi_type(at::ScalarType type) {
  if (type == at::kFloat) return MPI_FLOAT;
  return type == at::kDouble ? MPI_DOUBLE : MPI_INT64_T;
}

MPI_Op mpi_op(Reduce how) {
  if (how == Reduce::sum) return MPI_SUM;
  return how == Reduce::min ? MPI_MIN : MPI_MAX;
}

}  // namespace

bool finished(MPI_Request& request) {
  int flag = 0;
  check_mpi(MPI_Test(&request, &flag, MPI_STATUS_IGNORE), "MPI_Test");
  return flag != 0;
}

MpiTransfers::MpiTransfers(RollCall& roll_call, int size) : roll_call_(roll_call), size_(size) {
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "MPI_Comm_dup");
}

MpiTransfers::~MpiTransfers() {
  MPI_Comm_free(&comm_);
}

// Begins the next chunk of a transfer; returns its length in elements. A chunk of scattered or
// gathered data is of one rank's part, which is reduced to that rank or copied from it: that works
// in place, and a part of any length can be cut.
std::int64_t MpiTransfers::begin_chunk(const Transfer& transfer, MPI_Request& request) {
  const std::int64_t total = transfer.data.numel(), bytes_each = transfer.data.element_size();
  const bool parts = transfer.kind != Kind::all_reduce;
  const std::int64_t part = std::max<std::int64_t>(1, parts ? total / size_ : total);
  const std::int64_t left = std::min(total, part) - transfer.begun % part;
  const std::int64_t most = std::min(kChunkBytes * size_, kCallBytes);
  const std::int64_t length = std::min(left, most / bytes_each);
  const int count = static_cast<int>(length), owner = static_cast<int>(transfer.begun / part);
  char* const begin = static_cast<char*>(transfer.data.data_ptr()) + transfer.begun * bytes_each;
  const MPI_Datatype type = mpi_type(transfer.data.scalar_type());
  const MPI_Op op = mpi_op(transfer.how);
  if (transfer.kind == Kind::all_reduce) {
    check_mpi(MPI_Iallreduce(MPI_IN_PLACE, begin, count, type, op, comm_, &request),
              "MPI_Iallreduce");
  } else if (transfer.kind == Kind::reduce_scatter) {
    int rank = 0;
    MPI_Comm_rank(comm_, &rank);
    const void* const mine = rank == owner ? MPI_IN_PLACE : begin;
    check_mpi(MPI_Ireduce(mine, begin, count, type, op, owner, comm_, &request), "MPI_Ireduce");
  } else {
    const int bytes = static_cast<int>(length * bytes_each);
    check_mpi(MPI_Ibcast(begin, bytes, MPI_BYTE, owner, comm_, &request), "MPI_Ibcast");
  }
  return length;
}

void MpiTransfers::pump() {
  while (!flying_.empty() && finished(flying_.front().request)) {
    if (flying_.front().last) {
      done_ = queue_.front().operation;
      queue_.pop_front();
      --started_;
    }
    flying_.pop_front();
  }
  while (flying_.size() < kInFlight && started_ < queue_.size()) {
    Transfer& next = queue_[started_];
    Chunk& chunk = flying_.emplace_back(Chunk{MPI_REQUEST_NULL, false});
    next.begun += begin_chunk(next, chunk.request);
    chunk.last = next.begun == next.data.numel();
    if (chunk.last) ++started_;
  }
}

// Holds the caller's tensor; one of another device or type is staged in a copy.
class MpiTransfers::OnTheWay final : public Pending {
 public:
  OnTheWay(MpiTransfers& transfers, std::int64_t operation, at::Tensor host, at::Tensor data)
      : transfers_(transfers),
        operation_(operation),
        host_(std::move(host)),
        data_(std::move(data)) {}
  ~OnTheWay() override {
    try {
      wait();
    } catch (const Error&) {
      // The world is broken: the next operation says so.
    }
  }
  void wait() override {
    const at::Tensor host = std::exchange(host_, at::Tensor());
    if (!host.defined()) return;
    transfers_.roll_call_.wait(operation_, [&] {
      transfers_.pump();
      return transfers_.done_ >= operation_;
    });
    const at::NoGradGuard no_grad;
    if (!data_.is_same(host)) data_.copy_(host);
  }

 private:
  MpiTransfers& transfers_;
  std::int64_t operation_;
  at::Tensor host_, data_;
};

std::unique_ptr<Pending> MpiTransfers::begin(Kind kind, at::Tensor data, Reduce how) {
  // MPI knows no bfloat16: what is reduced travels as fp32 and is rounded once, at the end.
  const bool widened = kind != Kind::all_gather && data.scalar_type() == at::kBFloat16;
  const at::Tensor host = data.to(at::kCPU, widened ? at::kFloat : data.scalar_type());
  const std::int64_t operation = roll_call_.begin();
  queue_.push_back({operation, kind, host, how});
  pump();
  return std::make_unique<OnTheWay>(*this, operation, host, std::move(data));
}

}  // namespace metaloom
