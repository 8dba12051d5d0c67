// Backend "nccl": tensors of a GPU over NCCL, everything else and all control through an inner
// communicator (mpi; local for a single process). The only file that knows NCCL. NCCL's calls do
// not block: their state and the device's events are polled under the roll call's deadline.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <nccl.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <optional>

#include "comm/communicator.h"
#include "comm/gpus.h"
#include "comm/roll_call/roll_call.h"
#include "comm/world.h"
#include "core/error.h"
#include "core/registry.h"

namespace metaloom {

namespace {

void check_cuda(cudaError_t code, const char* call) {
  if (code == cudaSuccess) return;
  throw Error(Fault::temporary, cudaGetErrorString(code), call,
              "Look at the GPU (nvidia-smi); the run resumes from its last checkpoint.");
}

void check_nccl(ncclResult_t code, const char* call, ncclComm_t comm) {
  if (code == ncclSuccess || code == ncclInProgress) return;
  throw Error(Fault::temporary,
              fmt::format("{} ({})", ncclGetErrorString(code), ncclGetLastError(comm)), call,
              "NCCL_DEBUG=INFO says more; the run resumes from its last checkpoint.");
}

ncclDataType_t nccl_type(at::ScalarType type) {
  if (type == at::kFloat) return ncclFloat32;
  if (type == at::kBFloat16) return ncclBfloat16;
  return type == at::kDouble ? ncclFloat64 : ncclInt64;
}

ncclRedOp_t nccl_op(Reduce how) {
  if (how == Reduce::sum) return ncclSum;
  return how == Reduce::min ? ncclMin : ncclMax;
}

class Event {
 public:
  Event() { check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "event"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record(cudaStream_t stream) { check_cuda(cudaEventRecord(event_, stream), "event"); }
  void hold_back(cudaStream_t stream) {
    check_cuda(cudaStreamWaitEvent(stream, event_, 0), "event");
  }
  bool reached() const {
    const cudaError_t state = cudaEventQuery(event_);
    if (state != cudaErrorNotReady) check_cuda(state, "a collective on the GPU");
    if (state == cudaErrorNotReady) static_cast<void>(cudaGetLastError());
    return state == cudaSuccess;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(std::unique_ptr<Communicator> inner, double deadline)
      : Communicator(inner->place(), deadline, inner->clock()),
        inner_(std::move(inner)),
        roll_call_(*inner_->roll_call()),
        device_(rank_device(place())) {
    c10::cuda::set_device(device_.index());
    stream_ = c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device_.index());
    ncclUniqueId id = {};
    if (rank() == 0) check_nccl(ncclGetUniqueId(&id), "ncclGetUniqueId", nullptr);
    const std::string told =
        inner_->all_gather(rank() == 0 ? std::string(id.internal, sizeof id.internal) : "")[0];
    std::memcpy(id.internal, told.data(), sizeof id.internal);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    check_nccl(ncclCommInitRankConfig(&nccl_, size(), id, rank(), &config),
               "ncclCommInitRankConfig", nccl_);
    settle(roll_call_.begin());
  }

  ~NcclCommunicator() override {
    // After a fault the wedged communicator is left alone.
    if (roll_call_.broken() || std::uncaught_exceptions() > exceptions_) return;
    try {
      check_nccl(ncclCommFinalize(nccl_), "ncclCommFinalize", nccl_);
      settle(roll_call_.begin());
      check_nccl(ncclCommDestroy(nccl_), "ncclCommDestroy", nccl_);
    } catch (const Error& error) {
      inner_->abort(error.exit_code(), error.what());
    }
  }

  std::vector<std::string> all_gather(const std::string& mine) override {
    return inner_->all_gather(mine);
  }
  void barrier() override { inner_->barrier(); }
  std::vector<std::int64_t> vote(std::vector<std::int64_t> mine) override {
    return inner_->vote(std::move(mine));
  }
  void announce(const std::string& section, std::chrono::duration<double> deadline) override {
    inner_->announce(section, deadline);
  }
  [[noreturn]] void abort(int exit_code, const std::string& why) override {
    inner_->abort(exit_code, why);
    std::abort();  // the compiler does not believe a virtual function
  }
  RollCall* roll_call() override { return &roll_call_; }

  std::unique_ptr<Pending> all_reduce(at::Tensor data, Reduce how) override;
  std::unique_ptr<Pending> reduce_scatter(at::Tensor data, Reduce how) override;
  std::unique_ptr<Pending> all_gather(at::Tensor data) override;
  void broadcast(at::Tensor data, int root) override;

 private:
  class OnDevice;

  // Until NCCL has taken in what it was given.
  void settle(std::int64_t operation) {
    roll_call_.wait(operation, [this] { return settled(); });
  }
  bool settled() const {
    ncclResult_t state = ncclSuccess;
    check_nccl(ncclCommGetAsyncError(nccl_, &state), "ncclCommGetAsyncError", nccl_);
    check_nccl(state, "a collective of NCCL", nccl_);
    return state == ncclSuccess;
  }
  template <class Call>
  std::unique_ptr<Pending> start(at::Tensor data, const char* name, const Call& call);

  std::unique_ptr<Communicator> inner_;
  RollCall& roll_call_;
  at::Device device_;
  std::optional<c10::cuda::CUDAStream> stream_;
  ncclComm_t nccl_ = nullptr;
  const int exceptions_ = std::uncaught_exceptions();
};

// An operation on the side stream; holds its tensor until then.
class NcclCommunicator::OnDevice final : public Pending {
 public:
  OnDevice(NcclCommunicator& comm, std::int64_t operation, at::Tensor data)
      : comm_(comm), operation_(operation), data_(std::move(data)) {}
  ~OnDevice() override {
    try {
      wait();
    } catch (const Error&) {
      // The world is broken: the next operation says so.
    }
  }
  void wait() override {
    const at::Tensor data = std::exchange(data_, at::Tensor());
    if (!data.defined()) return;
    comm_.roll_call_.wait(operation_, [this] { return comm_.settled() && done.reached(); });
  }

  Event done;

 private:
  NcclCommunicator& comm_;
  std::int64_t operation_;
  at::Tensor data_;
};

template <class Call>
std::unique_ptr<Pending> NcclCommunicator::start(at::Tensor data, const char* name,
                                                 const Call& call) {
  const std::int64_t operation = roll_call_.begin();
  Event ready;  // what the present stream still does to the tensor
  ready.record(c10::cuda::getCurrentCUDAStream(device_.index()));
  ready.hold_back(*stream_);
  check_nccl(call(data.data_ptr(), static_cast<cudaStream_t>(*stream_)), name, nccl_);
  settle(operation);
  auto pending = std::make_unique<OnDevice>(*this, operation, std::move(data));
  pending->done.record(*stream_);
  return pending;
}

std::unique_ptr<Pending> NcclCommunicator::all_reduce(at::Tensor data, Reduce how) {
  check_reducible(data, "all_reduce");
  if (!data.is_cuda()) return inner_->all_reduce(std::move(data), how);
  const auto count = static_cast<std::size_t>(data.numel());
  const ncclDataType_t type = nccl_type(data.scalar_type());
  return start(std::move(data), "ncclAllReduce", [&](void* begin, cudaStream_t stream) {
    return ncclAllReduce(begin, begin, count, type, nccl_op(how), nccl_, stream);
  });
}

// NCCL works in place where a rank's part stands in its own place.
std::unique_ptr<Pending> NcclCommunicator::reduce_scatter(at::Tensor data, Reduce how) {
  check_reducible(data, "reduce_scatter");
  check_parts(data, "reduce_scatter");
  if (!data.is_cuda()) return inner_->reduce_scatter(std::move(data), how);
  void* const mine = part(data).data_ptr();
  const auto count = static_cast<std::size_t>(data.numel() / size());
  const ncclDataType_t type = nccl_type(data.scalar_type());
  return start(std::move(data), "ncclReduceScatter", [&](void* begin, cudaStream_t stream) {
    return ncclReduceScatter(begin, mine, count, type, nccl_op(how), nccl_, stream);
  });
}

std::unique_ptr<Pending> NcclCommunicator::all_gather(at::Tensor data) {
  check_parts(data, "all_gather");
  if (!data.is_cuda()) return inner_->all_gather(std::move(data));
  void* const mine = part(data).data_ptr();
  const std::size_t bytes = data.nbytes() / size();
  return start(std::move(data), "ncclAllGather", [&](void* begin, cudaStream_t stream) {
    return ncclAllGather(mine, begin, bytes, ncclInt8, nccl_, stream);
  });
}

void NcclCommunicator::broadcast(at::Tensor data, int root) {
  check_contiguous(data, "broadcast");
  if (!data.is_cuda()) return inner_->broadcast(std::move(data), root);
  const std::size_t bytes = data.nbytes();
  start(std::move(data), "ncclBroadcast", [&](void* begin, cudaStream_t stream) {
    return ncclBroadcast(begin, begin, bytes, ncclInt8, root, nccl_, stream);
  })->wait();
}

std::unique_ptr<Communicator> join_nccl(const CommOptions& options, Clock& clock) {
  auto inner =
      Registry<Communicator>::make(started_by_launcher() ? "mpi" : "local", options, clock);
  const std::vector<std::string> told = inner->all_gather(describe_gpu(inner->place()));
  const std::string missing = missing_gpu(told), why = missing.empty() ? shared_gpu(told) : missing;
  if (why.empty()) return std::make_unique<NcclCommunicator>(std::move(inner), options.deadline);
  inner.reset();  // in order, as on all other ranks: nothing is broken
  throw Error(Fault::usage, why, "comm.backend=nccl",
              "Start one rank per GPU, or compute on the CPU: model.device=cpu comm.backend=mpi.");
}

const Register<Communicator> here{"nccl", "tensors of GPUs over NCCL, control over MPI", join_nccl};

}  // namespace

}  // namespace metaloom
