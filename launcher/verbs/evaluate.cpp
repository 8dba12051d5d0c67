// metaloom evaluate: scores a run's result again, on other episodes, splits or datasets; and,
// beside it, what the stage started from.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "core/json.h"
#include "core/registry.h"
#include "launcher/process/machine.h"
#include "launcher/process/world.h"
#include "launcher/stage/assembly.h"
#include "launcher/stage/overlap.h"
#include "launcher/stage/run_identity.h"
#include "launcher/stage/stage.h"
#include "launcher/stage/told_lineages.h"
#include "launcher/verbs/verb.h"
#include "sampler/store/token_store.h"
#include "worker/optimizer/optimizer.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

struct EvaluateOptions {
  bool start = false;
  void fields(Fields& f) {
    f.flag("start", start, "score what the stage started from, too, on the same tasks");
  }
};

/// What the stage's model was trained on before `stage`, and by it.
StageLineage history(const std::string& stage, const Checkpoint& checkpoint, const Mix& mix,
                     Split split, const Alive& alive) {
  StageLineage out{.trained_on = Lineage::load(checkpoint.read("lineage")), .found = {}};
  const Lineage own = out.trained_on.only(stage);
  Lineage before = out.trained_on;
  before.forget(stage);
  out.found = overlaps(before, mix, split, alive);
  out.described = described_overlaps(mix, split);
  std::set<std::string> trained;
  for (int d = 0; d < mix.datasets(); ++d) {
    const std::string& name = mix.info(d).name;
    out.rows[name][split] = mix.store(d).rows(split);
    if (!own.entries_of(name).empty()) trained.insert(name);
  }
  for (const Overlap& overlap : own_overlaps(mix, split, trained, alive)) {
    out.found.push_back(overlap);
  }
  for (const Overlap& overlap : overlaps(own, mix, split, alive)) {
    if (!trained.contains(overlap.dataset)) out.found.push_back(overlap);
  }
  return out;
}

/// Settings of training that an evaluation has no use for.
std::vector<std::string> without_effect(const std::vector<std::string>& assignments, bool start) {
  std::vector<std::string> out;
  for (const std::string& word : assignments) {
    const std::string key = word.substr(0, word.find('='));
    bool idle = key.starts_with("optimizer.") || key.starts_with("checkpoint.");
    for (const char* other :
         {"run", "resume", "non_finite_budget", "model.weights", "evaluate.every",
          "evaluate.before", "evaluate.before_name", "evaluate.after_name", "data.slots",
          "data.pack", "comm.ordered", "data.allow_changed", "model.allow_changed"}) {
      idle = idle || key == other;
    }
    if (idle || (key == "init" && !start)) out.push_back(word);
  }
  return out;
}

/// Where the checkpoint may lie that a stage started from: where its configuration says, and where
/// it was, seen from a run folder that has been moved.
std::vector<fs::path> places_of_init(const StageConfig& config, const fs::path& folder,
                                     const Json& provenance) {
  std::vector<fs::path> named;  // the very checkpoint first: a run's newest may be a later one
  const std::string recorded = provenance.value("init", std::string());
  if (!recorded.empty()) named.emplace_back(recorded);
  named.emplace_back(config.run.init);
  std::vector<fs::path> out = named;
  const fs::path run = fs::weakly_canonical(config.run.run), here = fs::weakly_canonical(folder);
  for (const fs::path& place : named) {
    const fs::path from_run = fs::weakly_canonical(place).lexically_relative(run);
    for (const fs::path& base : {here.parent_path(), here}) out.push_back(base / from_run);
  }
  return out;
}

/// Lays what the stage took over from its init over `stage`'s initial theta.
void adopt_init(Assembly& stage, const fs::path& folder, const Json& provenance) {
  if (stage.config.run.init.empty()) return;
  const std::string model = model_digest(stage.pretrained);
  const std::string wanted = provenance.value("init_content", std::string());
  for (const fs::path& place : places_of_init(stage.config, folder, provenance)) {
    try {
      const Checkpoint init = Checkpoint::open(own_disk(), resolve_checkpoint(own_disk(), place));
      if (wanted.empty()) {  // an older program's run: its model tells
        Pretrained same = model_of(init);
        same.place(stage.pretrained.device, stage.pretrained.dtype);
        if (model_digest(same) != model) continue;
      } else if (init_digest(init, model) != wanted) {
        continue;
      }
      adopt(init, *stage.theta);
      return;
    } catch (const Error& error) {
      if (error.fault() != Fault::data) throw;  // not there: the next place
    }
  }
  throw Error(Fault::data, "the checkpoint that the stage started from is not to be found",
              stage.config.run.init, "Say where it is: init=RUN, or init=RUN/checkpoints/step_...");
}

/// Scores of the theta and the model that the stage had before its first update.
std::vector<Score> score_start(Communicator& comm, const StageConfig& config,
                               const fs::path& folder, const Checkpoint& checkpoint, Split split) {
  Assembly stage(config, device_of(config, comm),
                 Pretrained::from_archive(checkpoint.read("model"), checkpoint.folder().string()));
  adopt_init(stage, folder, provenance_of(checkpoint));
  stage.lower_precision_if_it_pays();
  return evaluate(comm, *stage.method, stage.theta->values(), *stage.mix, split, config.evaluate,
                  stage.context(0), config.name + "  start");
}

void print_score(const Score& score, Split split, const std::string& condition) {
  fmt::print("{:<24} {:<10} {}{}\n", score.dataset, name_of(split), score_text(score, 2),
             condition.empty() ? "" : "  " + condition);
  Json json{{"dataset", score.dataset},
            {"split", name_of(split)},
            {"metric", score.metric},
            {"averaging", score.averaging},
            {"value", score.value},
            {"standard_error", score.standard_error},
            {"n", score.n},
            {"episodes", score.episodes},
            {"values", score.values}};
  if (score.left_out > 0) json["left_out"] = score.left_out;
  if (!condition.empty()) json["condition"] = condition;
  fmt::print("{}\n", json.dump());
}

/// The paired difference over the same episodes or rows; nothing where no score of theirs is kept.
void print_gain(const Score& start, const Score& trained, Split split) {
  const Measure units = paired_gain(start, trained);
  if (units.each.empty()) return;
  const auto [gain, error] = estimate_of(units);
  const std::string text = trained.averaging == kShare
                               ? fmt::format("{:+.2f} points +- {:.2f}", 100 * gain, 196 * error)
                               : fmt::format("{:+.4g} +- {:.2g}", gain, 1.96 * error);
  fmt::print("{:<24} {:<10} gain over its start {} (paired, n = {})\n", trained.dataset,
             name_of(split), text, units.each.size());
  fmt::print("{}\n", Json{{"dataset", trained.dataset},
                          {"split", name_of(split)},
                          {"metric", trained.metric},
                          {"averaging", trained.averaging},
                          {"gain", gain},
                          {"standard_error", error},
                          {"n", units.each.size()},
                          {"paired", true}}
                         .dump());
}

class Evaluate final : public Verb {
 public:
  std::string help() const override {
    EvaluationOptions options;
    EvaluateOptions own;
    return "metaloom evaluate STAGE [key=value ...]\n\n"
           "STAGE: the folder of a trained stage, such as RUN/1_muppet. Its configuration is read\n"
           "from there (what is shown here are the defaults of a new one); any of its keys may be\n"
           "overridden. Prints one line and one JSON object per dataset.\n\n" +
           describe_fields(own, "") + describe_fields(options, "evaluate") +
           "\nExample\n"
           "  metaloom evaluate runs/first/2_metaprompting evaluate.split=test "
           "evaluate.episodes=500\n";
  }

  std::string memory_cure() const override { return kMemoryCure; }

  int run(const Arguments& arguments) const override {
    const fs::path folder = only_target(arguments, "evaluate", "the folder of a trained stage");
    Table own;
    // The run's threads are for its own sums; here this host's cores count.
    std::vector<std::string> assignments{"comm.threads=0"};
    for (const std::string& word : arguments.assignments) {
      if (word.starts_with("start=")) {
        own.assign(word);
      } else if (word.starts_with("evaluate.start=")) {
        own.assign(word.substr(word.find("start=")));
      } else {
        if (word.starts_with("comm.threads=")) assignments.front() = word;
        assignments.push_back(word);
      }
    }
    EvaluateOptions options;
    read_fields(own, "", options);
    const auto [stages, notes] = load_run(folder / "config.toml", assignments);
    StageConfig config = the_only(stages, folder);
    Communicator& comm = enter_world(config.comm);
    if (comm.rank() == 0) {
      for (const std::string& note : notes) fmt::print("{}\n", note);
      const auto idle = without_effect(arguments.assignments, options.start);
      if (!idle.empty()) fmt::print("without effect on scores: {}\n", fmt::join(idle, ", "));
    }
    score(comm, config, folder, options);
    leave_world();
    return 0;
  }

 private:
  static void score(Communicator& comm, StageConfig& config, const fs::path& folder,
                    const EvaluateOptions& options) {
    const Checkpoint checkpoint =
        Checkpoint::open(own_disk(), resolve_checkpoint(own_disk(), folder));
    const Split split = config.evaluate.split;
    settle_overlaps(comm, config, checkpoint, split);
    // What init names may have changed, or be gone: the checkpoint has a model of its own.
    Assembly stage(config, device_of(config, comm), model_of(checkpoint));
    Optimizer optimizer(config.optimizer, *stage.theta);
    const RunProgress progress = resume_run(checkpoint, *stage.theta, optimizer);
    stage.lower_precision_if_it_pays();
    std::vector<Score> start;
    if (options.start) start = score_start(comm, config, folder, checkpoint, split);
    const auto trained = evaluate(comm, *stage.method, stage.theta->values(), *stage.mix, split,
                                  config.evaluate, stage.context(progress.step), config.name);
    for (std::size_t i = 0; i < trained.size() && comm.rank() == 0; ++i) {
      if (options.start) print_score(start.at(i), split, "start");
      print_score(trained[i], split, options.start ? "trained" : "");
      if (options.start) print_gain(start.at(i), trained[i], split);
    }
  }

  /// Refuses, leaves out or says what was trained on, and says which sets have changed.
  static void settle_overlaps(Communicator& comm, StageConfig& config, const Checkpoint& checkpoint,
                              Split split) {
    const Mix mix(config.data, Rng(0));
    const Archive progress = checkpoint.read("progress");
    const Json json = parse_json(progress.text("progress"), checkpoint.folder().string());
    const auto lineages = told_lineages(comm, [&](const Alive& alive) {
      return std::vector{history(json.at("stage"), checkpoint, mix, split, alive)};
    });
    const StageLineage& lineage = lineages.front();
    const auto lines = check_overlaps({config}, {lineage});
    config.data.left_out = lineage.left_out(config.data);
    if (comm.rank() != 0) return;
    for (const std::string& line : lines) fmt::print("{}\n", line);
    for (const std::string& name : changed_sets(provenance_of(checkpoint), mix)) {
      fmt::print("{}: its store holds other rows than the stage was trained with\n", name);
    }
    for (const auto& [dataset, splits] : config.data.left_out) {
      for (const auto& [left, rows] : splits) {
        fmt::print("rows left out of {} ({}): {}\n", dataset, name_of(left), fmt::join(rows, ", "));
      }
    }
  }
};

const Register<Verb> here{"evaluate", "score a trained stage on held-out tasks",
                          [] { return std::make_unique<Evaluate>(); }};

}  // namespace
}  // namespace metaloom
