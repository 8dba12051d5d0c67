#include "launcher/stage/stage_records.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/digest.h"
#include "core/files/files.h"
#include "core/json.h"
#include "core/log/log.h"
#include "launcher/process/machine.h"
#include "launcher/process/world.h"
#include "launcher/stage/run_identity.h"
#include "sampler/store/token_store.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

/// What is left out of the scores, for whoever compares two stages.
Json left_out_digests(const Mix& mix) {
  Json out = Json::object();
  for (const auto& [dataset, splits] : mix.options().left_out) {
    for (const auto& [split, rows] : splits) {
      out[fmt::format("{} ({})", dataset, name_of(split))] = {
          {"rows", rows.size()}, {"digest", hex(digest(fmt::format("{}", fmt::join(rows, " "))))}};
    }
  }
  return out;
}

}  // namespace

void clear_folder(const fs::path& folder) {
  for (const char* old : {"result.json", "metrics.jsonl", "config.toml", "provenance.json"}) {
    remove_path(folder / old);
  }
  CheckpointFolder(own_disk(), own_clock(), folder / "checkpoints", {}, "").clear();
}

std::map<std::string, std::string> records(const Communicator& comm, const Assembly& stage,
                                           const StageLineage& lineage, const StageStart& start,
                                           int threads) {
  Json provenance = parse_json(provenance_json(comm, threads), "provenance");
  provenance["seed"] = stage.config.run.seed;
  provenance["stage"] = stage.config.name;
  Origins::of(stage).record(provenance);
  provenance["init"] = stage.init ? stage.init->folder().string() : "";
  provenance["overlap"] = lineage.allowed(stage.config.data);
  provenance["left_out"] = left_out_digests(*stage.mix);
  provenance["changes"] = changes_with(stage.config.folder, start, provenance.at("started"));
  return {{"config", stage.resolved().to_toml()}, {"provenance", provenance.dump(2)}};
}

std::string left_out_lines(const Assembly& stage, const StageLineage& lineage) {
  std::string out;
  for (const Overlap& overlap : lineage.found) {
    if (stage.config.data.overlap_of(overlap.dataset) != OverlapRule::leave_out) continue;
    const TokenStore& store = stage.mix->store(stage.mix->index_of(overlap.dataset));
    for (const std::int64_t row : overlap.rows) {
      const auto pieces = store.example(overlap.split, row).segments.at(0);
      out += Json{{"dataset", overlap.dataset},
                  {"split", name_of(overlap.split)},
                  {"row", row},
                  {"trained_in", overlap.trained_in},
                  {"text", stage.pretrained.tokenizer->words_of({pieces.begin(), pieces.end()})}}
                 .dump() +
             '\n';
    }
  }
  return out;
}

void start_folder(const StageConfig& config, const std::map<std::string, std::string>& texts,
                  const std::string& left_out) {
  remove_path(config.folder / "result.json");  // of a run that goes on
  replace_file(config.folder / "config.toml", texts.at("config"));
  replace_file(config.folder / "provenance.json", texts.at("provenance"));
  if (left_out.empty()) {
    remove_path(config.folder / "left_out.jsonl");
  } else {
    replace_file(config.folder / "left_out.jsonl", left_out);
  }
}

}  // namespace metaloom
