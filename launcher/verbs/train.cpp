// metaloom train: runs the stages of a configuration in order, each resumable on its own.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "comm/world.h"
#include "core/error.h"
#include "core/files/files.h"
#include "core/json.h"
#include "core/log/log.h"
#include "core/registry.h"
#include "launcher/config/run_config.h"
#include "launcher/process/world.h"
#include "launcher/stage/run_identity.h"
#include "launcher/stage/stage.h"
#include "launcher/stage/told_lineages.h"
#include "launcher/verbs/verb.h"

namespace metaloom {
namespace {

constexpr int kStoppedResumeMe = 85;

/// The whole run's configuration, complete for the stages that have begun: `metaloom train
/// RUN/config.toml` repeats it. A run of one stage has that stage's.
void write_run_config(const std::vector<StageConfig>& stages, const std::vector<Table>& resolved) {
  if (stages.size() == 1) return;
  const std::filesystem::path run = stages.front().run.run;
  Table file;
  file.set("run", run.string());
  CommOptions comm = stages.front().comm;
  file.set("comm", write_fields(comm));
  for (std::size_t i = 0; i < stages.size(); ++i) {
    Table stage = resolved[i];
    stage.erase("run");
    stage.erase("comm");
    // By name: a repetition starts from its own stages, not from this run's.
    if (!stages[i].init_stage.empty()) stage.set("init", stages[i].init_stage);
    file.set("stage." + stages[i].name, stage);
  }
  make_folder(run);
  replace_file(run / "config.toml", file.to_toml());
}

/// Another number of threads sums in another order, so that a run keeps that of its first start,
/// in all of its stages and on any number of ranks.
std::int64_t threads_of_run(Communicator& comm, const StageConfig& any) {
  if (any.comm.threads > 0) return any.comm.threads;
  const std::int64_t here = threads_per_rank(any.comm, comm.place());
  CommOptions before;
  const auto file = std::filesystem::path(any.run.run) / "config.toml";
  if (comm.rank() == 0 && any.run.resume != Resume::never && std::filesystem::exists(file)) {
    read_fields(Table::load(file).section("comm"), "comm", before);
  }
  const std::int64_t threads = before.threads > 0 ? before.threads : here;
  if (comm.rank() == 0 && threads != here) {
    spdlog::info("{} threads a rank, as when the run began (comm.threads={} would suit this host)",
                 threads, here);
  }
  return std::stoll(as_rank_0_says(comm, std::to_string(threads)));
}

/// resume=must asks for a run to continue, not for every one of its stages to have begun.
void demand_first_stage_only(Communicator& comm, std::vector<StageConfig>& stages) {
  bool found = false;
  for (StageConfig& stage : stages) {
    const bool begun = comm.rank() == 0 && has_begun(stage.folder);
    if (as_rank_0_says(comm, begun ? "begun" : "") == "begun") {
      found = true;
    } else if (found && stage.run.resume == Resume::must) {
      stage.run.resume = Resume::automatic;
    }
  }
}

class Train final : public Verb {
 public:
  std::string help() const override {
    return "metaloom train CONFIG.toml [key=value ...]\n\n"
           "Trains the stages of a configuration in order; finished stages are skipped, a stage\n"
           "that was interrupted goes on from its last checkpoint, on any number of ranks.\n\n"
           "Keys (in the file, per stage as stage.NAME.key, or on the command line):\n" +
           describe_run_keys() +
           "\nMethods have keys of their own under method.: metaloom plan CONFIG.toml lists them.\n"
           "\nExample\n"
           "  mpirun -np 2 metaloom train configs/quickstart.toml run=runs/first\n"
           "  metaloom train runs/first/config.toml run=runs/again\n";
  }

  std::string memory_cure() const override { return kMemoryCure; }

  int run(const Arguments& arguments) const override {
    RunConfig config =
        load_run(only_target(arguments, "train", "a configuration file"), arguments.assignments);
    std::vector<StageConfig>& stages = config.stages;
    Communicator& comm = enter_world(stages.front().comm);
    catch_stop_signals();
    for (const std::string& note : config.notes) {
      if (comm.rank() == 0) spdlog::info("{}", note);
    }
    const auto lineages =
        told_lineages(comm, [&](const Alive& alive) { return find_lineages(stages, alive); });
    for (const std::string& line : check_overlaps(stages, lineages)) {
      if (comm.rank() == 0) spdlog::warn("{}", line);
    }
    for (std::size_t i = 0; i < stages.size(); ++i) {
      stages[i].data.left_out = lineages[i].left_out(stages[i].data);
    }
    demand_first_stage_only(comm, stages);
    if (comm.rank() == 0) check_chain(stages);
    const std::int64_t threads = threads_of_run(comm, stages.front());
    std::vector<Table> resolved;
    for (StageConfig& stage : stages) {
      stage.comm.threads = threads;
      resolved.push_back(stage.resolved(stage.method));
    }
    for (std::size_t i = 0; i < stages.size(); ++i) {
      const auto begins = [&](const Table& own) {
        resolved[i] = own;
        if (comm.rank() == 0) write_run_config(stages, resolved);
      };
      if (!run_stage(comm, stages[i], lineages[i], begins)) {
        if (comm.rank() == 0) {
          spdlog::info("stopped as told; start the same command again to go on");
        }
        leave_world();
        return kStoppedResumeMe;
      }
    }
    leave_world();
    return 0;
  }
};

const Register<Verb> here{"train", "train the stages of a configuration",
                          [] { return std::make_unique<Train>(); }};

}  // namespace
}  // namespace metaloom
