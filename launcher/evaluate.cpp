// metaloom evaluate: scores a run's result again, on other episodes, splits or datasets.
#include <fmt/format.h>

#include "core/json.h"
#include "core/registry.h"
#include "launcher/assembly.h"
#include "launcher/overlap.h"
#include "launcher/stage.h"
#include "launcher/verb.h"
#include "launcher/world.h"
#include "worker/optimizer.h"

namespace metaloom {
namespace {

/// What the stage's model was trained on before `stage` itself.
StageLineage lineage_before(const std::string& stage, const Checkpoint& checkpoint, const Mix& mix,
                            Split split) {
  Lineage before = Lineage::load(checkpoint.read("lineage"));
  before.forget(stage);
  return {.trained_on = before, .findings = overlaps(before, mix, split)};
}

class Evaluate final : public Verb {
 public:
  std::string help() const override {
    EvaluationOptions options;
    return "metaloom evaluate STAGE [key=value ...]\n\n"
           "STAGE: the folder of a trained stage, such as RUN/1_muppet. Its configuration is read\n"
           "from there (what is shown here are the defaults of a new one); any of its keys may be\n"
           "overridden. Prints one line and one JSON object per dataset.\n\n" +
           describe_fields(options, "evaluate") +
           "\nExample\n"
           "  metaloom evaluate runs/first/2_metaprompting evaluate.split=test "
           "evaluate.episodes=500\n";
  }

  std::string memory_cure() const override {
    return "Lower data.batch, data.pack or method.graph_memory; metaloom plan shows what a run "
           "needs.";
  }

  int run(const Arguments& arguments) const override {
    const std::filesystem::path folder =
        only_target(arguments, "evaluate", "the folder of a trained stage");
    // The run's threads are for its own sums; here this host's cores count.
    std::vector<std::string> assignments{"comm.threads=0"};
    assignments.insert(assignments.end(), arguments.assignments.begin(),
                       arguments.assignments.end());
    const auto stages = load_stages(folder / "config.toml", assignments);
    const StageConfig& config = the_only(stages, folder);
    Communicator& comm = enter_world(config.comm);
    const Checkpoint checkpoint = Checkpoint::open(resolve_checkpoint(folder));
    // What init names may have changed, or be gone: the checkpoint has a model of its own.
    Assembly stage(config, device_of(config, comm), model_of(checkpoint));
    const Split split = split_called(config.evaluate.split);
    Optimizer optimizer(config.optimizer, *stage.theta);
    const RunProgress progress = resume_run(checkpoint, *stage.theta, optimizer);
    const StageLineage lineage = lineage_before(progress.stage, checkpoint, *stage.mix, split);
    for (const std::string& warning : check_overlaps({config}, {lineage})) {
      if (comm.rank() == 0) fmt::print("overlap allowed: {}\n", warning);
    }
    for (const Score& score :
         evaluate(comm, *stage.method, stage.theta->values(), *stage.mix, split, config.evaluate,
                  stage.context(progress.step), config.name)) {
      if (comm.rank() != 0) continue;
      fmt::print("{:<24} {:<10} {} {:.2f} % +- {:.2f} (n = {})\n", score.dataset, name_of(split),
                 score.metric, 100 * score.value, 196 * score.standard_error, score.n);
      fmt::print("{}\n", Json{{"dataset", score.dataset},
                              {"split", name_of(split)},
                              {"metric", score.metric},
                              {"value", score.value},
                              {"standard_error", score.standard_error},
                              {"n", score.n},
                              {"values", score.values}}
                             .dump());
    }
    leave_world();
    return 0;
  }
};

const Register<Verb> here{"evaluate", "score a trained stage on held-out tasks",
                          [] { return std::make_unique<Evaluate>(); }};

}  // namespace
}  // namespace metaloom
