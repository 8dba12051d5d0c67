#include "launcher/world.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <ctime>

#include "comm/world.h"
#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/version.h"

namespace metaloom {
namespace {

// A process is in one world at most; signal handlers and the end of main must find it.
std::unique_ptr<Communicator> world;
std::atomic<int> stop_signals{0}, terms{0};

void on_stop_signal(int signal) {
  // The second TERM means now: nothing but async-signal-safe calls in here.
  // A first TERM after USR1 or USR2 does not: Slurm sends both before it ends a job.
  if (signal == SIGTERM && terms.fetch_add(1) > 0) _exit(128 + SIGTERM);
  stop_signals.fetch_add(1);
}

void catch_signals() {
  struct sigaction action = {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART;
  for (int signal : {SIGTERM, SIGUSR1, SIGUSR2}) sigaction(signal, &action, nullptr);
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  return text;
}

}  // namespace

Communicator& enter_world(const CommOptions& options) {
  if (world != nullptr) return *world;
  world = join_world(options);
  start_log(world->rank(), world->size());
  at::set_num_threads(threads_per_rank(options, *world));
  catch_signals();
  return *world;
}

int end_with_error(int exit_code, const std::string& message) {
  if (!message.empty()) fmt::print(stderr, "metaloom: error: {}\n", message);
  std::fflush(stderr);
  if (world != nullptr && world->size() > 1) world->abort(exit_code, message);
  return exit_code;
}

void leave_world() {
  if (world == nullptr) return;
  world->barrier();
  world.reset();
}

bool told_to_stop() {
  return stop_signals.load() > 0;
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
              {"host", comm.host()},
              {"ranks", comm.size()},
              {"ranks_on_host", comm.local_size()},
              {"threads_per_rank", threads},
              {"started", utc_now()}}
      .dump(2);
}

}  // namespace metaloom
