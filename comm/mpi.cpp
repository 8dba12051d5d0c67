// Backend "mpi": ranks as processes that mpirun or srun started.
// Nothing blocks in MPI while ranks compute: every operation is nonblocking and polled under the
// roll call's deadline, so that a stuck peer is an error and not a hang. Three communicators keep
// apart what must not wait for one another: reductions (begun in order, in chunks), calls, control.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <exception>
#include <new>
#include <optional>

#include "comm/communicator.h"
#include "comm/mpi_world.h"
#include "comm/roll_call.h"
#include "comm/world.h"
#include "core/error.h"
#include "core/log/log.h"
#include "core/registry.h"

namespace metaloom {

namespace {

constexpr std::int64_t kChunkBytes = 1 << 19;  // of a reduction, times ranks: stays in the caches
constexpr std::size_t kInFlight = 4;           // chunks at once
constexpr double kJoining = 120;               // seconds, at least: start-up may be slow
constexpr const char* kAborting = "aborting";
constexpr std::int64_t kCallBytes = 1 << 30;  // MPI counts in int

MPI_Datatype mpi_type(at::ScalarType type) {
  if (type == at::kFloat) return MPI_FLOAT;
  return type == at::kDouble ? MPI_DOUBLE : MPI_INT64_T;
}

MPI_Op mpi_op(Reduce how) {
  if (how == Reduce::sum) return MPI_SUM;
  return how == Reduce::min ? MPI_MIN : MPI_MAX;
}

bool finished(MPI_Request& request) {
  int flag = 0;
  check_mpi(MPI_Test(&request, &flag, MPI_STATUS_IGNORE), "MPI_Test");
  return flag != 0;
}

}  // namespace

class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(const CommOptions& options);
  ~MpiCommunicator() override;

  int rank() const override { return place_.rank; }
  int size() const override { return place_.size; }
  int local_size() const override { return place_.local_size; }
  int local_rank() const override { return place_.local_rank; }
  std::string host() const override { return roll_call_->host(); }
  int cores() const override { return place_.cores; }
  std::unique_ptr<Pending> all_reduce(at::Tensor data, Reduce how) override;
  void broadcast(at::Tensor data, int root) override;
  std::vector<std::string> all_gather(const std::string& mine) override;
  void barrier() override;
  std::vector<std::int64_t> vote(std::vector<std::int64_t> mine) override;
  void announce(const std::string& section, std::chrono::duration<double> deadline) override {
    roll_call_->enter(section, deadline.count());
  }
  [[noreturn]] void abort(int exit_code, const std::string& why) override;
  RollCall* roll_call() override { return &*roll_call_; }

 private:
  class PendingReduction;
  struct Reduction {
    std::int64_t operation;
    at::Tensor data;
    Reduce how;
    std::int64_t begun = 0;  // elements
  };
  struct Chunk {
    MPI_Request request;
    bool last;
  };

  void wait(MPI_Request request);
  void pump();

  int exit_code_ = static_cast<int>(Fault::hang);  // of the watchdog
  Watchdog watchdog_;
  MpiPlace place_;
  MPI_Comm reductions_ = MPI_COMM_NULL, calls_ = MPI_COMM_NULL, control_ = MPI_COMM_NULL;
  std::unique_ptr<NoteChannel> notes_;
  std::optional<RollCall> roll_call_;
  const int exceptions_ = std::uncaught_exceptions();

  std::deque<Reduction> queue_;  // in order; the front ones have chunks in flight
  std::deque<Chunk> flying_;     // in order
  std::size_t started_ = 0;      // reductions of the queue of which all chunks have begun
  std::int64_t reduced_ = 0;     // the last operation that is complete
};

MpiCommunicator::MpiCommunicator(const CommOptions& options)
    : Communicator(options.deadline), watchdog_([this](const std::string& section, double seconds) {
        if (section != kAborting) say(describe_stuck(place_.rank, section, seconds) + '\n');
        _exit(exit_code_);  // mpirun and srun -K end the others
      }) {
  watchdog_.watch("joining MPI", std::max(options.deadline, kJoining));
  place_ = join_mpi();
  for (MPI_Comm* comm : {&reductions_, &calls_, &control_}) {
    check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, comm), "MPI_Comm_dup");
  }
  notes_ = open_mpi_notes();
  roll_call_.emplace(place_.rank, place_.peers, options.deadline, *notes_, watchdog_);
  watchdog_.watch("", options.deadline);
}

MpiCommunicator::~MpiCommunicator() {
  if (roll_call_->broken() || std::uncaught_exceptions() > exceptions_) {
    // A wedged world is not torn down; MPI may still write into what is under way.
    static_cast<void>(new (std::nothrow) std::deque<Reduction>(std::move(queue_)));
    static_cast<void>(notes_.release());
    return;
  }
  try {
    announce("leaving MPI", std::chrono::duration<double>(kJoining));
    barrier();
  } catch (const Error& error) {
    abort(error.exit_code(), error.what());
  }
  notes_.reset();
  for (MPI_Comm* comm : {&reductions_, &calls_, &control_}) MPI_Comm_free(comm);
  leave_mpi();
}

// Finishes the chunks under way and begins the next ones, in one order on all ranks.
void MpiCommunicator::pump() {
  while (!flying_.empty() && finished(flying_.front().request)) {
    if (flying_.front().last) {
      reduced_ = queue_.front().operation;
      queue_.pop_front();
      --started_;
    }
    flying_.pop_front();
  }
  while (flying_.size() < kInFlight && started_ < queue_.size()) {
    Reduction& next = queue_[started_];
    const std::int64_t bytes_each = next.data.element_size();
    const std::int64_t left = next.data.numel() - next.begun;
    const std::int64_t count = std::min<std::int64_t>(left, kChunkBytes * size() / bytes_each);
    char* const begin = static_cast<char*>(next.data.data_ptr()) + next.begun * bytes_each;
    flying_.push_back({MPI_REQUEST_NULL, count == left});
    check_mpi(MPI_Iallreduce(MPI_IN_PLACE, begin, static_cast<int>(count),
                             mpi_type(next.data.scalar_type()), mpi_op(next.how), reductions_,
                             &flying_.back().request),
              "MPI_Iallreduce");
    next.begun += count;
    if (count == left) ++started_;
  }
}

// A call that is under way; reductions go on meanwhile.
void MpiCommunicator::wait(MPI_Request request) {
  roll_call_->wait(roll_call_->begin(), [&] {
    pump();
    return finished(request);
  });
}

// Tensors of other devices are staged through the host.
class MpiCommunicator::PendingReduction final : public Pending {
 public:
  PendingReduction(MpiCommunicator& comm, std::int64_t operation, at::Tensor host, at::Tensor data)
      : comm_(comm), operation_(operation), host_(std::move(host)), data_(std::move(data)) {}
  ~PendingReduction() override {
    try {
      wait();
    } catch (const Error&) {
      // The world is broken: the next operation says so.
    }
  }
  void wait() override {
    const at::Tensor host = std::exchange(host_, at::Tensor());
    if (!host.defined()) return;
    comm_.roll_call_->wait(operation_, [&] {
      comm_.pump();
      return comm_.reduced_ >= operation_;
    });
    const at::NoGradGuard no_grad;
    if (!data_.is_same(host)) data_.copy_(host);
  }

 private:
  MpiCommunicator& comm_;
  std::int64_t operation_;
  at::Tensor host_, data_;
};

std::unique_ptr<Pending> MpiCommunicator::all_reduce(at::Tensor data, Reduce how) {
  check_reducible(data);
  const at::Tensor host = data.is_cpu() ? data : data.cpu();
  const std::int64_t operation = roll_call_->begin();
  queue_.push_back({operation, host, how});
  pump();
  return std::make_unique<PendingReduction>(*this, operation, host, std::move(data));
}

void MpiCommunicator::broadcast(at::Tensor data, int root) {
  check_contiguous(data, "broadcast");
  const at::Tensor host = data.is_cpu() ? data : data.cpu();
  char* const begin = static_cast<char*>(host.data_ptr());
  const auto bytes = static_cast<std::int64_t>(host.nbytes());
  for (std::int64_t at = 0; at < bytes; at += kCallBytes) {
    const int count = static_cast<int>(std::min(kCallBytes, bytes - at));
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Ibcast(begin + at, count, MPI_BYTE, root, calls_, &request), "MPI_Ibcast");
    wait(request);
  }
  const at::NoGradGuard no_grad;
  if (!data.is_same(host)) data.copy_(host);
}

std::vector<std::string> MpiCommunicator::all_gather(const std::string& mine) {
  std::vector<std::int64_t> bytes(size());
  bytes[rank()] = static_cast<std::int64_t>(mine.size());
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Iallgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, bytes.data(), 1, MPI_INT64_T, calls_,
                           &request),
            "MPI_Iallgather");
  wait(request);
  std::vector<int> counts(size()), begins(size());
  std::int64_t total = 0;
  for (int i = 0; i < size(); ++i) {
    begins[i] = static_cast<int>(total);
    counts[i] = static_cast<int>(bytes[i]);
    total += bytes[i];
    if (total <= kCallBytes) continue;
    throw Error(Fault::internal, fmt::format("more than {} bytes", kCallBytes), "all_gather",
                "Gather less at once, or broadcast tensors.");
  }
  std::string all(total, '\0');
  check_mpi(MPI_Iallgatherv(mine.data(), counts[rank()], MPI_BYTE, all.data(), counts.data(),
                            begins.data(), MPI_BYTE, calls_, &request),
            "MPI_Iallgatherv");
  wait(request);
  std::vector<std::string> out;
  out.reserve(size());
  for (int i = 0; i < size(); ++i) out.push_back(all.substr(begins[i], counts[i]));
  return out;
}

void MpiCommunicator::barrier() {
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Ibarrier(calls_, &request), "MPI_Ibarrier");
  wait(request);
}

std::vector<std::int64_t> MpiCommunicator::vote(std::vector<std::int64_t> mine) {
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Iallreduce(MPI_IN_PLACE, mine.data(), static_cast<int>(mine.size()), MPI_INT64_T,
                           MPI_MAX, control_, &request),
            "MPI_Iallreduce");
  wait(request);
  return mine;
}

void MpiCommunicator::abort(int exit_code, const std::string& why) {
  roll_call_->say(why);
  // Where even MPI_Abort is stuck, the watchdog ends this process, and its launcher the others.
  exit_code_ = exit_code;
  watchdog_.watch(kAborting, 5);
  abort_mpi(exit_code);
  _exit(exit_code);
}

namespace {

const Register<Communicator> here{
    "mpi", "ranks as processes under mpirun or srun",
    [](const CommOptions& options) -> std::unique_ptr<Communicator> {
      if (!started_by_launcher()) {
        refuse_split_world(1);
        throw Error(Fault::usage, "this process was not started by mpirun or srun", "comm.backend",
                    "Start it with mpirun -np N or srun --mpi=pmix, or set comm.backend=local.");
      }
      return std::make_unique<MpiCommunicator>(options);
    }};

}  // namespace

}  // namespace metaloom
