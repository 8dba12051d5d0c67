// What a stage's folder says of the run: config.toml, provenance.json, left_out.jsonl. Rank 0
// writes.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "launcher/stage/assembly.h"
#include "launcher/stage/overlap.h"
#include "launcher/stage/stage_start.h"

namespace metaloom {

/// A run that starts over leaves nothing of the one before to be mistaken for its own. Links stay:
/// what they point at is emptied.
void clear_folder(const std::filesystem::path& folder);

/// What every checkpoint and the run folder say of the run's origin: "config" and "provenance".
std::map<std::string, std::string> records(const Communicator& comm, const Assembly& stage,
                                           const StageLineage& lineage, const StageStart& start,
                                           int threads);

/// One line for each evaluation row that is not scored because it was trained on.
std::string left_out_lines(const Assembly& stage, const StageLineage& lineage);

/// Writes them, and takes away the result of a run that goes on.
void start_folder(const StageConfig& config, const std::map<std::string, std::string>& texts,
                  const std::string& left_out);

}  // namespace metaloom
