#include "launcher/config/typed_settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/registry.h"
#include "core/spelling.h"
#include "methods/method.h"

namespace metaloom {
namespace {

/// The keys of a method; none where there is no such method, which whoever reads its name says.
std::vector<std::string> keys_of(const std::string& method) {
  const auto known = Registry<MethodOptions>::names();
  if (std::find(known.begin(), known.end(), method) == known.end()) return {};
  return Registry<MethodOptions>::make(method).keys();
}

bool has_key(const std::string& method, const std::string& key) {
  const auto keys = keys_of(method);
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

void check_own(const Table& stage) {
  if (stage.contains("run")) {
    throw Error(Fault::usage, "a stage has no run folder of its own", stage.origin("run"),
                "Set run at the top of the file: stages get sub-folders of it.");
  }
  if (stage.contains("comm")) {
    throw Error(Fault::usage, "all stages run in one world", stage.origin("comm"),
                "Set comm at the top of the file.");
  }
}

}  // namespace

TypedSettings::TypedSettings(const std::vector<std::string>& assignments) : words_(assignments) {
  std::map<std::string, std::string> last;  // by key
  Table all;
  for (const std::string& word : assignments) {
    all.assign(word);
    const std::string key = word.substr(0, word.find('='));
    const auto [before, fresh] = last.try_emplace(key, word);
    if (!fresh && before->second != word) {
      notes_.push_back(fmt::format("{} holds, {} was typed before it", word, before->second));
      before->second = word;
    }
  }
  by_stage_ = all.section("stage");
  plain_ = all;
  plain_.erase("stage");
}

void TypedSettings::lay_over(Table& file) const {
  if (!by_stage_.keys().empty()) {
    const std::string stage = "stage." + by_stage_.keys().front();
    throw Error(Fault::usage, "this configuration has no stages of their own names",
                fmt::format("{} ({})", kCommandLine, stage),
                fmt::format("Leave out \"{}.\": its keys stand alone.", stage));
  }
  for (const std::string& word : words_) file.assign(word);
}

std::vector<std::pair<std::string, Table>> TypedSettings::stages_of(const Table& file) {
  const Table in_file = file.section("stage");
  Table top = file;
  top.erase("stage");
  for (const std::string& name : by_stage_.keys()) {
    if (in_file.contains(name)) continue;
    throw Error(Fault::usage, "there is no stage \"" + name + "\"", kCommandLine,
                did_you_mean(name, in_file.keys()));
  }
  std::vector<Stage> stages;
  for (const std::string& name : in_file.keys()) {
    Stage stage{name, in_file.section(name), by_stage_.section(name), "", {}};
    check_own(stage.own.overlaid_with(stage.typed));
    stage.result = top.overlaid_with(stage.own);
    stage.method = stage.result.overlaid_with(stage.typed).text("method.name");
    stages.push_back(std::move(stage));
  }
  check_for_all(stages);
  Table for_all = plain_;
  for_all.erase("method");
  for (Stage& stage : stages) stage.result = stage.result.overlaid_with(for_all);
  for (const std::string& path : for_all.paths()) note_where(path, stages, {});
  give_method_keys(stages);
  std::vector<std::pair<std::string, Table>> out;
  out.reserve(stages.size());
  for (const Stage& stage : stages) {
    out.emplace_back(stage.name, stage.result.overlaid_with(stage.typed));
  }
  return out;
}

/// A method and an init are what stages differ in: one for all of them is hardly ever meant.
void TypedSettings::check_for_all(const std::vector<Stage>& stages) const {
  const auto refuse = [&](const std::string& key, const std::string& what) {
    std::vector<std::string> spelled;
    spelled.reserve(stages.size());
    for (const Stage& stage : stages) {
      spelled.push_back(fmt::format("stage.{}.{}={}", stage.name, key, plain_.text(key)));
    }
    throw Error(Fault::usage, what, kCommandLine,
                fmt::format("Say for which one: {}.", fmt::join(spelled, " or ")));
  };
  if (plain_.contains("method.name")) {
    refuse("method.name", "every stage has a method of its own: method.name cannot hold in all");
  }
  const bool chained = std::any_of(stages.begin(), stages.end(),
                                   [](const Stage& s) { return !s.own.text("init").empty(); });
  if (plain_.contains("init") && chained) {
    refuse("init", "stages start from each other: init cannot hold in all of them");
  }
}

void TypedSettings::give_method_keys(std::vector<Stage>& stages) {
  for (const std::string& key : plain_.section("method").keys()) {
    const std::string path = "method." + key;
    std::set<std::string> without;
    std::set<std::string> known;
    for (const Stage& stage : stages) {
      if (!has_key(stage.method, key)) without.insert(stage.name);
      for (const std::string& other : keys_of(stage.method)) known.insert(other);
    }
    if (without.size() == stages.size()) {
      throw Error(Fault::usage, "no stage's method has a key \"" + key + '"', kCommandLine,
                  did_you_mean(key, {known.begin(), known.end()}));
    }
    Table one;
    one.set("method", plain_.section("method").only(key));
    note_where(path, stages, without);
    for (Stage& stage : stages) {
      if (!without.contains(stage.name)) stage.result = stage.result.overlaid_with(one);
    }
  }
}

/// Where a key holds, if the file says something else for a stage or not all stages can have it.
void TypedSettings::note_where(const std::string& path, const std::vector<Stage>& stages,
                               const std::set<std::string>& without) {
  const std::string value = plain_.shown(path);
  std::vector<std::string> where, exceptions;
  bool differs = !without.empty();
  for (const Stage& stage : stages) {
    if (without.contains(stage.name)) {
      exceptions.push_back(fmt::format("{} ({} has no such key)", stage.name, stage.method));
    } else if (stage.typed.contains(path)) {
      exceptions.push_back(
          fmt::format("{} ({} was typed for it)", stage.name, stage.typed.shown(path)));
      differs = true;
    } else {
      const std::string own = stage.own.shown(path);
      const bool other = !own.empty() && own != value;
      differs = differs || other;
      where.push_back(other ? fmt::format("{} (the file says {})", stage.name, own) : stage.name);
    }
  }
  if (!differs) return;
  notes_.push_back(fmt::format(
      "{}={} from the command line holds in {}{}", path, value,
      where.empty() ? "no stage" : fmt::format("{}", fmt::join(where, ", ")),
      exceptions.empty() ? "" : fmt::format("; not in {}", fmt::join(exceptions, ", "))));
}

}  // namespace metaloom
