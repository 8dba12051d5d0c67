#include "launcher/stage/run_identity.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "core/digest.h"
#include "core/error.h"
#include "core/files/files.h"
#include "core/registry.h"
#include "launcher/process/machine.h"
#include "methods/method.h"
#include "sampler/store/token_store.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

std::string bytes_digest(const at::Tensor& value) {
  const at::Tensor here = value.detach().cpu().contiguous();
  return hex(
      digest(std::string_view(static_cast<const char*>(here.const_data_ptr()), here.nbytes())));
}

/// Places of files, by themselves nothing of a run, and permissions.
bool is_place(const std::string& path) {
  static const std::set<std::string> places{"run",
                                            "resume",
                                            "init",
                                            "data.root",
                                            "data.allow_changed",
                                            "model.weights",
                                            "model.allow_changed",
                                            "data.allow_overlap"};
  return places.contains(path);
}

/// What changes no trained number: scores, saving, budgets, and where it is computed.
bool is_free(const std::string& path) {
  for (const char* prefix : {"evaluate.", "checkpoint.", "comm.", "data.overlap"}) {
    if (path.starts_with(prefix)) return true;
  }
  return path == "non_finite_budget" || path == "model.device" || path == "model.recompute";
}

std::map<std::string, std::string> texts_at(const Json& json, const char* key) {
  std::map<std::string, std::string> out;
  const auto found = json.is_object() ? json.find(key) : json.end();
  if (found == json.end() || !found->is_object()) return out;
  for (const auto& [name, value] : found->items()) {
    if (value.is_string()) out[name] = value.get<std::string>();
  }
  return out;
}

/// Equal files hold equal rows; others may (a set read from another place), if that was recorded.
std::vector<std::string> other_rows(const Json& provenance, const Origins& now) {
  std::vector<std::string> out;
  const auto files = texts_at(provenance, "data"), data = texts_at(provenance, "data_content");
  for (const auto& [name, file] : now.files) {
    const auto file_before = files.find(name), before = data.find(name);
    if (file_before == files.end() || file_before->second == file) continue;
    if (before == data.end() || before->second != now.data.at(name)) out.push_back(name);
  }
  return out;
}

std::int64_t whole(const std::string& text) {
  return text.empty() ? 0 : std::stoll(text);
}

}  // namespace

std::string model_digest(const Pretrained& model) {
  std::string text = model.tokenizer_digest;
  for (const auto& [name, value] : model.weights) text += name + bytes_digest(value);
  return hex(digest(text));
}

std::string init_digest(const Checkpoint& init, const std::string& model) {
  return hex(digest(init.section_digest("theta") + model));
}

Origins Origins::of(const Assembly& stage) {
  Origins out;
  out.take(*stage.mix);
  out.model = model_digest(stage.pretrained);
  if (stage.init) out.init = init_digest(*stage.init, out.model);
  return out;
}

void Origins::take(const Mix& mix) {
  for (int i = 0; i < mix.datasets(); ++i) {
    const DatasetInfo& info = mix.info(i);
    data[info.name] = mix.store(i).content_digest();
    files[info.name] = info.store_digest;
  }
}

void Origins::record(Json& provenance) const {
  provenance["data"] = files;
  provenance["data_content"] = data;
  provenance["model_content"] = model;
  provenance["init_content"] = init;
}

OriginChanges changes_since(const Json& provenance, const Origins& now) {
  OriginChanges out;
  const auto files = texts_at(provenance, "data");
  for (const std::string& name : other_rows(provenance, now)) {
    out.data.push_back(fmt::format("set {} holds other rows than before", name));
  }
  for (const auto& [name, file] : files) {
    if (!now.files.contains(name)) out.sets.push_back(fmt::format("set {} is gone", name));
  }
  for (const auto& [name, file] : now.files) {
    if (!files.empty() && !files.contains(name)) {
      out.sets.push_back(fmt::format("set {} is new", name));
    }
  }
  const auto text = [&](const char* key) {
    return provenance.is_object() ? provenance.value(key, std::string()) : std::string();
  };
  const bool had_init = !text("init").empty();
  if (provenance.is_object() && provenance.contains("init") && had_init != !now.init.empty()) {
    out.model.push_back(had_init ? "it began from an init, " + text("init") : "it had no init");
  } else if (!text("init_content").empty() && text("init_content") != now.init) {
    out.model.push_back("init holds another checkpoint than before");
  } else if (!text("model_content").empty() && text("model_content") != now.model) {
    out.model.push_back("the model is not the one it began with");
  }
  return out;
}

std::vector<std::string> changed_sets(const Json& provenance, const Mix& mix) {
  Origins now;
  now.take(mix);
  return other_rows(provenance, now);
}

SettingChanges changes_since(const Table& before, const Table& now) {
  Table filled = StageConfig{}.resolved({});
  filled.erase("method");
  filled = filled.overlaid_with(before);
  SettingChanges out{.training = {},
                     .began_with = {},
                     .others = {},
                     .steps = whole(now.shown("steps")),
                     .steps_before = whole(filled.shown("steps"))};
  std::set<std::string> paths;
  for (const Table* table : {&now, &std::as_const(filled)}) {
    for (const std::string& path : table->paths()) paths.insert(path);
  }
  for (const std::string& path : paths) {
    const std::string mine = now.shown(path), theirs = filled.shown(path);
    if (mine == theirs || path == "steps" || is_place(path)) continue;
    if (!is_free(path) && !theirs.empty()) {
      out.began_with.push_back(fmt::format("{}={}", path, theirs));
    }
    (is_free(path) ? out.others : out.training)
        .push_back(mine.empty()     ? fmt::format("no {}, was {} = {}", path, path, theirs)
                   : theirs.empty() ? fmt::format("{} = {}, was not set", path, mine)
                                    : fmt::format("{0} = {1}, was {0} = {2}", path, mine, theirs));
  }
  return out;
}

Table recorded_config(const fs::path& folder, const Assembly& stage) {
  Table before = Table::load(folder / "config.toml");
  take_older_words(before);
  const std::string method = before.text("method.name");
  if (method != stage.config.method_name) return before;
  Table section = before.section("method");
  section.erase("name");
  std::vector<const DatasetInfo*> sets;
  sets.reserve(static_cast<std::size_t>(stage.mix->datasets()));
  for (int i = 0; i < stage.mix->datasets(); ++i) sets.push_back(&stage.mix->info(i));
  const std::int64_t steps = whole(before.shown("steps"));
  try {
    const auto then =
        Registry<Method>::make(method, section,
                               Ingredients{.pretrained = stage.pretrained,
                                           .datasets = std::move(sets),
                                           .tasks = stage.config.data.task,
                                           .steps = steps > 0 ? steps : stage.config.run.steps,
                                           .rng = stage.rng.at("method")});
    Table read = write_fields(*then);
    read.set("name", method);
    before.set("method", read);
  } catch (const Error&) {  // not to be read any more: it is compared as it stands
  }
  return before;
}

Json provenance_of(const Checkpoint& checkpoint) {
  const Archive progress = checkpoint.read("progress");
  if (!progress.contains("provenance")) return Json::object();
  return parse_json(progress.text("provenance"), checkpoint.folder().string());
}

Json recorded_provenance(const fs::path& folder) {
  if (holds_checkpoint(own_disk(), folder / "checkpoints")) {
    try {
      Json own = provenance_of(
          Checkpoint::open(own_disk(), resolve_checkpoint(own_disk(), folder / "checkpoints")));
      if (!own.empty()) return own;
    } catch (const Error& error) {  // damaged: what takes the newest whole one sets it aside
      if (error.fault() != Fault::data) throw;
    }
  }
  const fs::path file = folder / "provenance.json";
  return fs::exists(file) ? parse_json(read_text(file), file.string()) : Json::object();
}

bool has_begun(const fs::path& folder) {
  return fs::exists(folder / "result.json") || holds_checkpoint(own_disk(), folder / "checkpoints");
}

void check_chain(const std::vector<StageConfig>& stages) {
  std::map<std::string, std::string> longer;  // stages whose result will be another one, and why
  for (const StageConfig& stage : stages) {
    const fs::path file = stage.folder / "config.toml";
    const bool goes_on = stage.run.resume != Resume::never && has_begun(stage.folder);
    const auto before = longer.find(stage.init_stage);
    if (before != longer.end()) {
      if (goes_on) {
        throw Error(
            Fault::usage,
            fmt::format("the run folder holds a run of another configuration: {}, and {} "
                        "started from its result",
                        before->second, stage.name),
            stage.folder.string(),
            fmt::format("Train it and what follows anew with stage.{0}.resume=never, or give "
                        "more steps to the last stage alone, or another folder with run=...",
                        stage.name));
      }
      longer[stage.name] = before->second;
    }
    if (!goes_on || !fs::exists(file)) continue;
    const std::int64_t steps = whole(Table::load(file).shown("steps"));
    if (steps > 0 && steps != stage.run.steps) {
      longer[stage.name] =
          fmt::format("stage {}: steps = {}, was steps = {}", stage.name, stage.run.steps, steps);
    }
  }
}

}  // namespace metaloom
