// Backend "mpi": ranks as processes that mpirun or srun started.
// Nothing blocks in MPI while ranks compute: every operation is nonblocking and polled under the
// roll call's deadline, so that a stuck peer is an error and not a hang. Three communicators of MPI
// keep apart what must not wait for one another: transfers (mpi_transfers.h), calls, control.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <optional>

#include "comm/communicator.h"
#include "comm/mpi_transfers.h"
#include "comm/mpi_world.h"
#include "comm/roll_call/roll_call.h"
#include "comm/roll_call/text.h"
#include "comm/world.h"
#include "core/error.h"
#include "core/log/log.h"
#include "core/registry.h"

namespace metaloom {

namespace {

constexpr double kJoining = 120;  // seconds, at least: start-up may be slow
constexpr const char* kAborting = "aborting";

// Joins MPI under a watchdog, which ends the process where that takes too long.
struct JoinedProcess {
  JoinedProcess(double deadline, Clock& clock)
      : watchdog(clock, [this](const std::string& section, double seconds) {
          if (section != kAborting)
            say(describe_stuck(world.place.rank, this_process(), section, seconds) + '\n');
          _exit(exit_code);  // mpirun and srun -K end the others
        }) {
    watchdog.watch("joining MPI", std::max(deadline, kJoining));
    world = join_mpi();
  }

  int exit_code = static_cast<int>(Fault::hang);  // of the watchdog
  MpiWorld world;
  Watchdog watchdog;  // last: it uses all of the above
};

}  // namespace

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(std::unique_ptr<JoinedProcess> process, double deadline, Clock& clock);
  ~MpiCommunicator() override;

  std::unique_ptr<Pending> all_reduce(at::Tensor data, Reduce how) override {
    check_reducible(data, "all_reduce");
    return transfers_->begin(MpiTransfers::Kind::all_reduce, std::move(data), how);
  }
  std::unique_ptr<Pending> reduce_scatter(at::Tensor data, Reduce how) override {
    check_reducible(data, "reduce_scatter");
    check_parts(data, "reduce_scatter");
    return transfers_->begin(MpiTransfers::Kind::reduce_scatter, std::move(data), how);
  }
  std::unique_ptr<Pending> all_gather(at::Tensor data) override {
    check_parts(data, "all_gather");
    return transfers_->begin(MpiTransfers::Kind::all_gather, std::move(data));
  }
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
  void wait(MPI_Request request);

  std::unique_ptr<JoinedProcess> process_;
  MPI_Comm calls_ = MPI_COMM_NULL, control_ = MPI_COMM_NULL;
  std::unique_ptr<NoteChannel> notes_;
  std::optional<RollCall> roll_call_;
  std::unique_ptr<MpiTransfers> transfers_;
  const int exceptions_ = std::uncaught_exceptions();
};

MpiCommunicator::MpiCommunicator(std::unique_ptr<JoinedProcess> process, double deadline,
                                 Clock& clock)
    : Communicator(process->world.place, deadline, clock), process_(std::move(process)) {
  for (MPI_Comm* comm : {&calls_, &control_}) {
    check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, comm), "MPI_Comm_dup");
  }
  notes_ = open_mpi_notes();
  Watchdog& watchdog = process_->watchdog;
  roll_call_.emplace(rank(), process_->world.peers, deadline, clock, *notes_, watchdog);
  transfers_ = std::make_unique<MpiTransfers>(*roll_call_, size());
  watchdog.watch("", deadline);
}

MpiCommunicator::~MpiCommunicator() {
  if (roll_call_->broken() || std::uncaught_exceptions() > exceptions_) {
    // A wedged world is not torn down; MPI may still write into what is under way.
    static_cast<void>(transfers_.release());
    static_cast<void>(notes_.release());
    return;
  }
  try {
    announce("leaving MPI", std::chrono::duration<double>(kJoining));
    barrier();
  } catch (const Error& error) {
    abort(error.exit_code(), error.what());
  }
  transfers_.reset();
  notes_.reset();
  for (MPI_Comm* comm : {&calls_, &control_}) MPI_Comm_free(comm);
  leave_mpi();
}

// A call that is under way; transfers go on meanwhile.
void MpiCommunicator::wait(MPI_Request request) {
  roll_call_->wait(roll_call_->begin(), [&] {
    transfers_->pump();
    return finished(request);
  });
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
  process_->exit_code = exit_code;
  process_->watchdog.watch(kAborting, 5);
  abort_mpi(exit_code);
  _exit(exit_code);
}

namespace {

const Register<Communicator> here{
    "mpi", "ranks as processes under mpirun or srun",
    [](const CommOptions& options, Clock& clock) -> std::unique_ptr<Communicator> {
      if (!started_by_launcher()) {
        refuse_split_world(1);
        throw Error(Fault::usage, "this process was not started by mpirun or srun", "comm.backend",
                    "Start it with mpirun -np N or srun --mpi=pmix, or set comm.backend=local.");
      }
      return std::make_unique<MpiCommunicator>(
          std::make_unique<JoinedProcess>(options.deadline, clock), options.deadline, clock);
    }};

}  // namespace

}  // namespace metaloom
