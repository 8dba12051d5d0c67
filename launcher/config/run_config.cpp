#include "launcher/config/run_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/registry.h"
#include "core/spelling.h"
#include "launcher/config/typed_settings.h"
#include "methods/method.h"

namespace metaloom {
namespace {

/// Names the key that one without its section is meant for: `rate` for optimizer.rate.
void check_levels(const Table& table) {
  const Table known = StageConfig{}.resolved({});
  for (const std::string& key : table.keys()) {
    if (known.contains(key)) continue;
    std::vector<std::string> meant;
    for (const std::string& section : known.keys()) {
      const std::string path = fmt::format("{}.{}", section, key);
      if (known.contains(path)) meant.push_back(path);
    }
    if (meant.empty()) continue;  // whoever reads the table says what is near
    throw Error(Fault::usage, "unknown key \"" + key + '"', table.origin(key),
                fmt::format("Did you mean {}?", fmt::join(meant, " or ")));
  }
}

}  // namespace

void take_older_words(Table& table) {
  const std::string older = "data.allow_overlap", key = "data.overlap";
  if (!table.is_table("data") || !table.contains(older)) return;
  struct Older {
    bool allow_overlap = false;
    void fields(Fields& f) { f.flag("allow_overlap", allow_overlap, ""); }
  } said;
  read_fields(table.section("data").only("allow_overlap"), "data", said);
  // What is typed wins over what a file says in other words.
  const bool typed = table.contains(key) && table.origin(key) == kCommandLine &&
                     table.origin(older) != kCommandLine;
  if (said.allow_overlap && table.contains(key) && table.text(key) != "allow" && !typed) {
    throw Error(Fault::usage, "allow_overlap = true and overlap = " + table.shown(key),
                table.origin(older), "Leave one of the two out: allow_overlap allows all sets.");
  }
  // And a typed "no" over a file's "yes".
  const bool denied = !said.allow_overlap && table.origin(older) == kCommandLine &&
                      table.contains(key) && table.origin(key) != kCommandLine;
  table.erase(older);
  if (denied && table.text(key) == "allow") table.set(key, std::string("refuse"));
  if (said.allow_overlap && !typed) table.set(key, std::string("allow"));
}

namespace {

StageConfig read_stage(Table table, const std::string& name, bool several) {
  StageConfig out;
  take_older_words(table);
  check_levels(table);
  std::vector<std::string> sections{"method", "stage"};
  out.each_section([&](const char* section, auto&) { sections.emplace_back(section); });
  read_fields(table, "", out.run, sections);
  out.each_section([&](const char* section, auto& options) {
    read_fields(table.section(section), section, options);
  });
  out.method = table.section("method");
  out.method_name = out.method.text("name");
  if (out.method_name.empty()) {
    throw Error(Fault::usage, "the configuration names no method", table.origin(),
                "Add method.name. " + did_you_mean("", Registry<Method>::names()));
  }
  Registry<Method>::at(out.method_name);
  out.method.erase("name");
  out.name = several ? name : out.method_name;
  out.folder = out.run.run;
  if (several) out.folder /= name;
  return out;
}

/// By its name, or by its folder however that is spelled.
bool means(const std::string& init, const StageConfig& stage) {
  namespace fs = std::filesystem;
  if (init.empty() || init == stage.name) return !init.empty();
  std::error_code code;
  const fs::path a = fs::weakly_canonical(init, code), b = fs::weakly_canonical(stage.folder, code);
  return !code && (a.has_filename() ? a : a.parent_path()) == b;
}

/// An `init` that names another stage means that stage's folder.
void resolve_init(std::vector<StageConfig>& stages) {
  for (std::size_t i = 0; i < stages.size(); ++i) {
    for (std::size_t earlier = 0; earlier < stages.size(); ++earlier) {
      if (!means(stages[i].run.init, stages[earlier])) continue;
      if (earlier >= i) {
        throw Error(Fault::usage,
                    fmt::format("stage {} starts from {}, which runs later", stages[i].name,
                                stages[earlier].name),
                    "init", "Stages run in the order of their names: rename them.");
      }
      stages[i].init_stage = stages[earlier].name;
      stages[i].run.init = stages[earlier].folder.string();
    }
  }
}

}  // namespace

void RunOptions::fields(Fields& f) {
  f.text("run", run, "folder of the run");
  f.integer("seed", seed, "of everything random", {0});
  f.integer("steps", steps, "updates to make", {1, 1e9});
  f.text("init", init, "start from this stage's, run's or checkpoint's model and prompt");
  f.choice("resume", resume, "continue what the run folder holds");
  f.integer("non_finite_budget", non_finite_budget, "updates that may be left out", {0});
}

void ModelOptions::fields(Fields& f) {
  f.text("weights", weights, "model archive, used where there is no init");
  f.choice("device", device, "where to compute");
  f.choice("precision", precision,
           "of weights and arithmetic; bf16: of products of matrices, all else is float32");
  f.choice("frozen", frozen, "how weights that are not trained are held");
  f.flag(
      "recompute", recompute,
      "run layers again in backward, of which only the inputs are kept: less memory, same result");
  f.flag("allow_changed", allow_changed,
         "go on, this time, from another model or init than before");
}

Table StageConfig::resolved(const Table& method_section) const {
  StageConfig copy = *this;
  copy.data.allow_changed = copy.model.allow_changed = false;  // a permission is for one start
  Table out = write_fields(copy.run);
  copy.each_section(
      [&](const char* section, auto& options) { out.set(section, write_fields(options)); });
  Table method_table = method_section;
  method_table.set("name", method_name);
  out.set("method", method_table);
  return out;
}

RunConfig load_run(const std::filesystem::path& target,
                   const std::vector<std::string>& assignments) {
  namespace fs = std::filesystem;
  if (fs::is_directory(target)) {
    const fs::path inside = target / "config.toml";
    throw Error(
        Fault::usage, "this is a folder, not a configuration file", target.string(),
        fs::exists(inside) ? "Did you mean " + inside.string() + "?" : "Name a .toml file.");
  }
  if (fs::is_regular_file(
          target.parent_path())) {  // FILE/config.toml, where a folder was asked for
    throw Error(Fault::usage, "this is a file; the folder of a trained stage is needed",
                target.parent_path().string(),
                "Give " + target.parent_path().parent_path().string() + ".");
  }
  Table file = Table::load(target);
  TypedSettings typed(assignments);
  RunConfig out;
  if (file.section("stage").keys().empty()) {
    typed.lay_over(file);
    out.stages.push_back(read_stage(file, "", false));
  } else {
    for (const auto& [name, table] : typed.stages_of(file)) {
      out.stages.push_back(read_stage(table, name, true));
    }
    resolve_init(out.stages);
  }
  out.notes = typed.notes();
  const bool gpus = std::any_of(out.stages.begin(), out.stages.end(), [](const StageConfig& stage) {
    return stage.model.device != Processor::cpu;
  });
  for (StageConfig& stage : out.stages) stage.comm.gpus = gpus;
  return out;
}

std::vector<StageConfig> load_stages(const std::filesystem::path& target,
                                     const std::vector<std::string>& assignments) {
  return load_run(target, assignments).stages;
}

const StageConfig& the_only(const std::vector<StageConfig>& stages,
                            const std::filesystem::path& folder) {
  if (stages.size() == 1) return stages.front();
  std::string names;
  for (const StageConfig& stage : stages) names += (names.empty() ? "" : ", ") + stage.name;
  throw Error(Fault::usage, "this is a run of several stages", folder.string(),
              "Name one of its folders: " + names + ".");
}

const StageConfig& stage_called(const std::vector<StageConfig>& stages, const std::string& name) {
  std::vector<std::string> names;
  for (const StageConfig& stage : stages) {
    if (stage.name == name || name.empty()) return stage;
    names.push_back(stage.name);
  }
  throw Error(Fault::usage, "there is no stage \"" + name + "\"", "command line",
              did_you_mean(name, names));
}

std::string describe_run_keys() {
  StageConfig config;
  std::string out = describe_fields(config.run, "");
  config.each_section(
      [&](const char* section, auto& options) { out += describe_fields(options, section); });
  return out;
}

}  // namespace metaloom
