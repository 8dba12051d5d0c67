// metaloom train: runs the stages of a configuration in order, each resumable on its own.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "comm/world.h"
#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/log.h"
#include "core/registry.h"
#include "launcher/run_config.h"
#include "launcher/stage.h"
#include "launcher/verb.h"
#include "launcher/world.h"

namespace metaloom {
namespace {

constexpr int kStoppedResumeMe = 85;

/// The whole run's resolved configuration: `metaloom train RUN/config.toml` repeats it.
void write_run_config(const std::vector<StageConfig>& stages, const std::vector<Table>& resolved) {
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
  replace_file(run / "config.toml", file.to_toml());
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

  int run(const Arguments& arguments) const override {
    const auto stages =
        load_stages(only_target(arguments, "train", "a configuration file"), arguments.assignments);
    Communicator& comm = enter_world(stages.front().comm);
    catch_stop_signals();
    const auto lineages = find_lineages(stages);
    for (const std::string& warning : check_overlaps(stages, lineages)) {
      if (comm.rank() == 0) spdlog::warn("overlap allowed: {}", warning);
    }
    std::vector<Table> resolved;
    for (std::size_t i = 0; i < stages.size(); ++i) {
      const StageResult result = run_stage(comm, stages[i], lineages[i]);
      resolved.push_back(result.resolved);
      if (stages.size() > 1 && comm.rank() == 0) {
        write_run_config({stages.begin(), stages.begin() + static_cast<long>(i + 1)}, resolved);
      }
      if (!result.finished) {
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
