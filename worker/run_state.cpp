#include "worker/run_state.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <unordered_set>

#include "core/error.h"
#include "core/json.h"
#include "core/spelling.h"

namespace metaloom {
namespace {

void check_same_names(const Params& saved, const Params& mine, const std::string& where) {
  for (const std::string& name : mine.names()) {
    if (saved.contains(name)) continue;
    throw Error(Fault::data, fmt::format("the checkpoint has no parameter {}", name), where,
                "It was made with another model, method or data mix: start a new run folder, or "
                "give it as `init` instead of resuming. " +
                    did_you_mean(name, saved.names()));
  }
}

}  // namespace

void Lineage::add(const std::string& stage, const std::string& dataset,
                  std::span<const std::int64_t> rows) {
  at::Tensor copy = at::empty({static_cast<std::int64_t>(rows.size())}, at::kLong);
  std::copy(rows.begin(), rows.end(), copy.mutable_data_ptr<std::int64_t>());
  // Two stages may have one name (the same one trained again from its own result).
  const auto [it, fresh] = rows_.try_emplace(stage + "/" + dataset, copy);
  if (!fresh) it->second = at::cat({it->second, copy});
}

std::map<std::string, std::vector<std::int64_t>> Lineage::overlap(
    std::span<const std::int64_t> rows) const {
  std::map<std::string, std::vector<std::int64_t>> out;
  const std::unordered_set<std::int64_t> asked(rows.begin(), rows.end());
  for (const auto& [name, trained] : rows_) {
    // What was trained on may be a hundred million texts: the few that are asked for are looked up.
    const auto* data = trained.const_data_ptr<std::int64_t>();
    std::unordered_set<std::int64_t> known;
    for (std::int64_t i = 0; i < trained.numel(); ++i) {
      if (asked.contains(data[i])) known.insert(data[i]);
    }
    for (std::int64_t place = 0; place < std::ssize(rows); ++place) {
      if (known.contains(rows[place])) out[name].push_back(place);
    }
  }
  return out;
}

void Lineage::forget(const std::string& stage) {
  std::erase_if(rows_, [&](const auto& entry) { return entry.first.starts_with(stage + "/"); });
}

Lineage Lineage::only(const std::string& stage) const {
  Lineage out;
  for (const auto& [name, rows] : rows_) {
    if (name.starts_with(stage + "/")) out.rows_[name] = rows;
  }
  return out;
}

std::vector<std::string> Lineage::entries_of(const std::string& dataset) const {
  std::vector<std::string> out;
  for (const auto& [name, rows] : rows_) {
    if (name.ends_with("/" + dataset)) out.push_back(name);
  }
  return out;
}

Archive Lineage::save() const {
  Archive out;
  for (const auto& [name, rows] : rows_) out.put(name, rows);
  return out;
}

Lineage Lineage::load(const Archive& archive) {
  Lineage out;
  for (const auto& [name, rows] : archive.tensors()) out.rows_[name] = rows;
  return out;
}

std::map<std::string, Archive> save_run(const FlatParams& theta, const Optimizer& optimizer,
                                        const RunProgress& progress, const Lineage& lineage,
                                        const std::map<std::string, std::string>& texts) {
  std::map<std::string, Archive> out;
  for (const auto& [name, value] : theta.values()) out["theta"].put(name, value);
  out["optimizer"] = optimizer.save();
  out["lineage"] = lineage.save();
  const Json json{{"step", progress.step},
                  {"skipped", progress.skipped},
                  {"threads", progress.threads},
                  {"stage", progress.stage}};
  out["progress"].put_text("progress", json.dump());
  for (const auto& [name, text] : texts) out["progress"].put_text(name, text);
  return out;
}

RunProgress resume_run(const Checkpoint& checkpoint, FlatParams& theta, Optimizer& optimizer) {
  const std::string where = checkpoint.folder().string();
  const Params saved = checkpoint.read("theta").params("");
  check_same_names(saved, theta.values(), where);
  for (const auto& [name, value] : saved) {
    if (!theta.values().contains(name)) {
      throw Error(Fault::data, fmt::format("the checkpoint's parameter {} is unknown here", name),
                  where, "It was made with another model or method: start a new run folder.");
    }
    theta.assign(name, value);
  }
  optimizer.load(checkpoint.read("optimizer"));
  const Json json = parse_json(checkpoint.read("progress").text("progress"), where);
  return {.step = json.at("step"),
          .skipped = json.at("skipped"),
          .threads = json.at("threads"),
          .stage = json.at("stage")};
}

std::vector<std::string> adopt(const Checkpoint& checkpoint, FlatParams& theta) {
  std::vector<std::string> taken;
  for (const auto& [name, value] : checkpoint.read("theta").params("")) {
    if (name.starts_with(kModelPrefix) || !theta.values().contains(name)) continue;
    if (!theta.values().at(name).sizes().equals(value.sizes())) continue;
    theta.assign(name, value);
    taken.push_back(name);
  }
  return taken;
}

Pretrained model_of(const Checkpoint& checkpoint) {
  Pretrained model =
      Pretrained::from_archive(checkpoint.read("model"), checkpoint.folder().string());
  model.weights = overlaid(model.weights, checkpoint.read("theta").params(""));
  return model;
}

}  // namespace metaloom
