#include "launcher/process/world.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <ctime>

#include "comm/world.h"
#include "core/error.h"
#include "core/json.h"
#include "core/log/log.h"
#include "core/version.h"
#include "launcher/process/machine.h"

namespace metaloom {
namespace {

// A process is in one world at most; signal handlers and the end of main must find it.
std::unique_ptr<Communicator> world;
std::atomic<int> stop_signals{0}, ends{0};

void on_stop_signal(int signal) {
  // A second INT or TERM means now: nothing but async-signal-safe calls in here.
  // A first one after USR1 or USR2 does not: Slurm sends both before it ends a job. Nor does a HUP,
  // which a closed terminal sends beside what its shell sends.
  const bool ends_now = signal == SIGINT || signal == SIGTERM;
  if (ends_now && ends.fetch_add(1) > 0) _exit(128 + signal);
  stop_signals.fetch_add(1);
}

/// The number in the environment variable `name`, 0 where there is none.
int count_in(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : std::atoi(text);
}

/// Before a world is joined: the rank that the launcher has given this process, or 0.
int rank_by_environment() {
  for (const char* name : {"PMIX_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID"}) {
    if (const char* rank = std::getenv(name)) return std::atoi(rank);
  }
  return 0;
}

std::string utc_now() {
  const auto now = static_cast<std::time_t>(own_clock().wall());
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  return text;
}

/// The variable that tells of several processes started together, or null. torchrun, accelerate
/// launch and deepspeed set WORLD_SIZE, but so do containers that hold one process on purpose: it
/// counts where the process has been given a place in that world as well.
const char* sign_of_others() {
  for (const char* name :
       {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS", "MV2_COMM_WORLD_SIZE",
        "HOROVOD_SIZE", "FLUX_JOB_SIZE", "JSM_NAMESPACE_SIZE", "PALS_SIZE"}) {
    if (count_in(name) > 1) return name;
  }
  for (const char* place : {"RANK", "LOCAL_RANK", "NODE_RANK"}) {
    if (std::getenv(place) != nullptr && count_in("WORLD_SIZE") > 1) return "WORLD_SIZE";
  }
  return nullptr;
}

/// Processes that were started together but do not see each other would all train the whole run,
/// into one folder: srun without PMIx, an mpirun of another MPI, or a launcher of PyTorch's.
void check_not_alone(const Communicator& comm, const CommOptions& options) {
  if (comm.size() > 1 || options.backend == "local") return;
  const char* sign = sign_of_others();
  if (sign == nullptr) return;
  throw Error(Fault::usage,
              fmt::format("{} processes were started, and none sees another", count_in(sign)), sign,
              "Start them with mpirun -np N metaloom ... (the mpirun of the MPI that metaloom was "
              "built with: metaloom --version names it) or srun --mpi=pmix metaloom ..., without "
              "torchrun, accelerate or deepspeed; comm.backend=local is for processes that shall "
              "run alone.");
}

}  // namespace

Communicator& enter_world(const CommOptions& options) {
  if (world != nullptr) return *world;
  world = join_world(options, own_clock());
  check_not_alone(*world, options);
  start_log(world->rank(), world->size());
  at::set_num_threads(threads_per_rank(options, world->place()));
  return *world;
}

int end_with_error(int exit_code, const std::string& message) {
  // A mistake that all ranks make is told once: the others give rank 0 the time to end them all,
  // which mpirun announces with a TERM.
  if ((world != nullptr ? world->rank() : rank_by_environment()) > 0) {
    for (int tenth = 0; tenth < 50; ++tenth) {
      if (told_to_stop()) _exit(exit_code);
      own_clock().sleep(0.1);
    }
  }
  if (world != nullptr && world->size() > 1) world->abort(exit_code, message);
  if (!message.empty()) say("metaloom: error: " + message + '\n');
  return exit_code;
}

void catch_stop_signals() {
  struct sigaction action = {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART;
  for (int signal : {SIGTERM, SIGUSR1, SIGUSR2, SIGINT, SIGHUP}) {
    struct sigaction before = {};
    sigaction(signal, nullptr, &before);
    // nohup, and the shell of a script that puts a job into the background, let them be ignored.
    const bool may_be_ignored = signal == SIGHUP || signal == SIGINT;
    if (may_be_ignored && before.sa_handler == SIG_IGN) continue;
    sigaction(signal, &action, nullptr);
  }
}

void leave_world() {
  if (world == nullptr) return;
  world->barrier();
  world.reset();
}

bool told_to_stop() {
  return stop_signals.load() > 0;
}

std::string as_rank_0_says(Communicator& comm, const std::string& text) {
  return comm.all_gather(comm.rank() == 0 ? text : "").front();
}

std::string provenance_json(const Communicator& comm, int threads) {
  Json versions = Json::object();
  for (const BuildVersion& entry : build_versions()) {
    versions[std::string(entry.part)] = std::string(entry.version);
  }
  return Json{{"program", std::string(build_project_version())},
              {"git_commit", std::string(build_git_commit())},
              {"git_dirty", build_git_dirty()},
              {"versions", versions},
              {"host", comm.place().host},
              {"ranks", comm.size()},
              {"ranks_on_host", comm.place().local_size},
              {"threads_per_rank", threads},
              {"started", utc_now()}}
      .dump(2);
}

}  // namespace metaloom
