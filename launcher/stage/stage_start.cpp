#include "launcher/stage/stage_start.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "core/files/files.h"
#include "core/log/log.h"
#include "launcher/process/machine.h"
#include "launcher/process/world.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAnother = "the run folder holds a run of another configuration: ";

/// A disk that is not mounted must not look like a run that has not begun.
void check_links(const StageConfig& config) {
  for (const fs::path& path :
       {fs::path(config.run.run), config.folder, config.folder / "checkpoints"}) {
    std::error_code code;
    if (!fs::is_symlink(fs::symlink_status(path, code)) || fs::exists(path, code)) continue;
    throw Error(Fault::usage, "a link to nothing", path.string(),
                "Mount the disk or make the folder that it names, or remove the link.");
  }
}

/// Updates in the newest checkpoint, -1 without one.
std::int64_t updates_done(const fs::path& folder) {
  if (!holds_checkpoint(own_disk(), folder / "checkpoints")) return -1;
  const fs::path file = resolve_checkpoint(own_disk(), folder / "checkpoints") / "manifest.json";
  try {
    return Manifest::parse(read_text(file), file.string()).step;
  } catch (const Error&) {  // damaged: what takes the newest whole one sets it aside
    return -1;
  }
}

void check_steps(const StageConfig& config, const SettingChanges& settings, std::int64_t done) {
  const std::string what =
      fmt::format("{}steps = {}, was steps = {}", kAnother, settings.steps, settings.steps_before);
  if (done < 0 && fs::exists(config.folder / "result.json")) {
    throw Error(Fault::no_checkpoint, what + ", and there is no checkpoint to go on from",
                config.folder.string(), "Give another folder with run=...");
  }
  if (settings.steps >= done) return;
  throw Error(Fault::usage, fmt::format("{}, and {} updates are made", what, done),
              config.folder.string(),
              fmt::format("Give steps={} or more, or another folder with run=...", done));
}

/// Throws where data or model have changed and that is not allowed.
OriginChanges allowed_changes(const Assembly& stage) {
  const StageConfig& config = stage.config;
  OriginChanges found = changes_since(recorded_provenance(config.folder), Origins::of(stage));
  const auto& chosen = config.data.datasets;  // sets chosen by name are compared as settings
  if (std::find(chosen.begin(), chosen.end(), "*") != chosen.end()) {
    found.data.insert(found.data.end(), found.sets.begin(), found.sets.end());
  }
  const auto refuse = [&](const std::vector<std::string>& changes, const std::string& key) {
    throw Error(Fault::usage,
                fmt::format("stage {} would go on from something else: {}", config.name,
                            fmt::join(changes, "; ")),
                config.folder.string(),
                fmt::format("Bring it back, start over with resume=never, or say {}=true: "
                            "provenance.json then tells of it.",
                            key));
  };
  if (!found.data.empty() && !config.data.allow_changed) refuse(found.data, "data.allow_changed");
  if (!found.model.empty() && !config.model.allow_changed) {
    refuse(found.model, "model.allow_changed");
  }
  return found;
}

StageStart judge(const Assembly& stage, const Table& resolved) {
  const StageConfig& config = stage.config;
  const fs::path& folder = config.folder;
  check_links(config);
  const bool begun = has_begun(folder);
  if (config.run.resume == Resume::must && !begun) {
    throw Error(Fault::no_checkpoint, "there is no usable checkpoint", folder.string(),
                "Start the run with resume=auto, or check the folder.");
  }
  StageStart out;
  if (config.run.resume == Resume::never) return out;
  SettingChanges settings;
  if (fs::exists(folder / "config.toml")) {
    settings = changes_since(recorded_config(folder, stage), resolved);
    if (!settings.training.empty()) {
      throw Error(Fault::usage, fmt::format("{}{}", kAnother, fmt::join(settings.training, "; ")),
                  (folder / "config.toml").string(),
                  "Give another folder with run=..., or the settings it was started with" +
                      (settings.began_with.empty()
                           ? "."
                           : fmt::format(": {}", fmt::join(settings.began_with, " "))));
    }
  }
  out.changes = settings.others;
  if (settings.steps != settings.steps_before && begun) {
    check_steps(config, settings, updates_done(folder));
    out.steps_before = settings.steps_before;
    out.changes.push_back(
        fmt::format("steps = {}, was steps = {}", settings.steps, settings.steps_before));
  }
  if (begun) {
    const OriginChanges origins = allowed_changes(stage);
    for (const auto* some : {&origins.data, &origins.model}) {
      out.changes.insert(out.changes.end(), some->begin(), some->end());
    }
  }
  out.finished = out.steps_before == 0 && fs::exists(folder / "result.json");
  return out;
}

}  // namespace

StageStart start_of(Communicator& comm, const Assembly& stage, const Table& resolved) {
  std::string text;
  if (comm.rank() == 0) {
    const StageStart mine = judge(stage, resolved);
    text = Json{{"finished", mine.finished},
                {"steps_before", mine.steps_before},
                {"changes", mine.changes}}
               .dump();
  }
  const Json said = parse_json(as_rank_0_says(comm, text), "rank 0");
  return {.finished = said.at("finished"),
          .steps_before = said.at("steps_before"),
          .changes = said.at("changes")};
}

Json changes_with(const fs::path& folder, const StageStart& start, const std::string& time) {
  const Json before = recorded_provenance(folder);
  Json out = before.is_object() && before.contains("changes") ? before["changes"] : Json::array();
  if (!start.changes.empty()) {
    out.push_back({{"time", time},
                   {"updates", std::max<std::int64_t>(0, updates_done(folder))},
                   {"changes", start.changes}});
  }
  return out;
}

Table finished_config(const Assembly& stage, const Table& resolved) {
  const fs::path file = stage.config.folder / "config.toml";
  if (!fs::exists(file)) return resolved;
  Table out = Table::load(file);
  for (const char* place : {"run", "resume", "init", "data.root", "model.weights"}) {
    out.set(place, resolved.text(place));
  }
  return out;
}

}  // namespace metaloom
