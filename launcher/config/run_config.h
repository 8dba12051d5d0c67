// The configuration of a run: which keys exist, what their defaults are, how stages inherit from
// the top of the file, and the resolved copy that is kept beside the results.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoints/checkpoint.h"
#include "comm/communicator.h"
#include "core/config/fields.h"
#include "sampler/mix/mix.h"
#include "worker/evaluation/evaluation.h"
#include "worker/optimizer/optimizer.h"

namespace metaloom {

/// Whether a start continues what the run folder holds.
enum class Resume { automatic, must, never };
constexpr std::array<std::string_view, 3> words_of(Resume) {
  return {"auto", "must", "never"};
}

enum class Processor { automatic, cpu, cuda };
constexpr std::array<std::string_view, 3> words_of(Processor) {
  return {"auto", "cpu", "cuda"};
}

enum class Precision { float32, float64, bf16 };
constexpr std::array<std::string_view, 3> words_of(Precision) {
  return {"float32", "float64", "bf16"};
}

enum class Frozen { same, bf16 };
constexpr std::array<std::string_view, 2> words_of(Frozen) {
  return {"same", "bf16"};
}

/// The top-level keys of a stage.
struct RunOptions {
  std::string run = "runs/run";  // folder of the run
  std::int64_t seed = 1;
  std::int64_t steps = 100;  // updates
  std::string init;          // an earlier stage's name, a run folder or a checkpoint
  Resume resume = Resume::automatic;
  std::int64_t non_finite_budget = 10;
  void fields(Fields& f);
};

/// `[model]`.
struct ModelOptions {
  std::string weights = ".cache/models/minilm-mlm.h5";  // used where there is no init
  Processor device = Processor::automatic;
  Precision precision = Precision::float32;
  Frozen frozen = Frozen::same;
  bool recompute = false;
  bool allow_changed = false;  // go on from another one than before
  void fields(Fields& f);
};

/// One stage of a run, with everything resolved but the method's own section.
struct StageConfig {
  std::string name;              // "1_muppet"; the method's name in a run of one stage
  std::filesystem::path folder;  // of the stage
  std::string init_stage;        // the earlier stage of this run that run.init is the folder of
  std::filesystem::path init_checkpoint;  // what run.init was found to be; empty: not looked up yet
  RunOptions run;
  ModelOptions model;
  MixOptions data;
  OptimizerOptions optimizer;
  EvaluationOptions evaluate;
  CheckpointOptions checkpoint;
  CommOptions comm;
  std::string method_name;
  Table method;  // `[method]` without its name

  /// Calls visit(name, options) for every section that is a struct's: the one list of them.
  template <class Visit>
  void each_section(const Visit& visit) {
    visit("model", model);
    visit("data", data);
    visit("optimizer", optimizer);
    visit("evaluate", evaluate);
    visit("checkpoint", checkpoint);
    visit("comm", comm);
  }

  /// The stage as a complete table; `method` is the method's own resolved section.
  Table resolved(const Table& method) const;
};

/// The stages of a configuration in the order of their names, and what a person should know of how
/// the command line was understood.
struct RunConfig {
  std::vector<StageConfig> stages;
  std::vector<std::string> notes;
};

/// The file `target`, overridden by `assignments` in all of its stages
/// (launcher/config/typed_settings.h). A file without [stage.*] tables is one stage. Throws
/// Error{usage} for unknown keys.
RunConfig load_run(const std::filesystem::path& target,
                   const std::vector<std::string>& assignments);
std::vector<StageConfig> load_stages(const std::filesystem::path& target,
                                     const std::vector<std::string>& assignments);

/// data.allow_overlap=true is data.overlap = "allow", said in the words of older configurations.
void take_older_words(Table& table);

/// The stage in `folder` whose configuration was read from it. Throws Error{usage}, naming them,
/// where it is a run of several.
const StageConfig& the_only(const std::vector<StageConfig>& stages,
                            const std::filesystem::path& folder);

/// The stage called `name`; the first where `name` is empty. Throws Error{usage}.
const StageConfig& stage_called(const std::vector<StageConfig>& stages, const std::string& name);

/// Describes every key, for --help.
std::string describe_run_keys();

}  // namespace metaloom
