// Whether two starts are of one run. Identity is content, not paths: equal rows, models and
// settings are the same run wherever they lie; other rows under an old name are not.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/config/table.h"
#include "core/json.h"
#include "launcher/stage/assembly.h"

namespace metaloom {

/// What a stage computes from, by content.
struct Origins {
  std::map<std::string, std::string> data;   // content digest of each set
  std::map<std::string, std::string> files;  // digest of each token store's file
  std::string model;                         // frozen weights and tokenizer
  std::string init;                          // what of init is carried on; empty without one

  static Origins of(const Assembly& stage);
  void take(const Mix& mix);
  void record(Json& provenance) const;
};

/// The differences between these origins and those of an earlier start's provenance, as far as that
/// tells them (an older program wrote fewer), a line each: of sets, and of model or init.
struct OriginChanges {
  std::vector<std::string> data, model;
  std::vector<std::string> sets;  // that are new or gone: what "*" stands for has changed
};
OriginChanges changes_since(const Json& provenance, const Origins& now);
/// The sets of `mix` that hold other rows than those of that name then.
std::vector<std::string> changed_sets(const Json& provenance, const Mix& mix);
/// Of the weights and the tokenizer.
std::string model_digest(const Pretrained& model);
/// Of what a stage carries on from a checkpoint, whose model is `model`.
std::string init_digest(const Checkpoint& init, const std::string& model);

/// Two resolved configurations of one stage. Missing keys of the earlier one have their defaults.
struct SettingChanges {
  std::vector<std::string> training;    // "seed = 2, was seed = 1": another computation
  std::vector<std::string> began_with;  // "seed=1": what was, as it would be typed
  std::vector<std::string> others;  // evaluation, saving, budgets, place: may change, are recorded
  std::int64_t steps = 0, steps_before = 0;
};
SettingChanges changes_since(const Table& before, const Table& now);

/// The configuration that `folder` records, as the method of `stage` reads it: keys that an older
/// program did not have, or left open, are there.
Table recorded_config(const std::filesystem::path& folder, const Assembly& stage);
/// What a checkpoint says of where its run came from; empty where an older program wrote it.
Json provenance_of(const Checkpoint& checkpoint);
/// What a stage's folder goes on from says of itself: its newest checkpoint, before
/// provenance.json, in which a start that died before it saved anything has told of itself.
Json recorded_provenance(const std::filesystem::path& folder);

/// Whether a stage's folder holds something trained: a checkpoint or a result.
bool has_begun(const std::filesystem::path& folder);

/// Throws Error{usage} where a stage is to make more updates and a later one, which has begun and
/// is to go on, started from its result.
void check_chain(const std::vector<StageConfig>& stages);

}  // namespace metaloom
