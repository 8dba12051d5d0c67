// Runs one stage from its configuration to its result: resume, loop, evaluation, records.
#pragma once

#include <functional>

#include "comm/communicator.h"
#include "core/config/table.h"
#include "launcher/config/run_config.h"
#include "launcher/stage/overlap.h"

namespace metaloom {

/// Where memory runs out in training or scoring.
inline constexpr const char* kMemoryCure =
    "Lower data.batch, data.pack or method.graph_memory; metaloom plan shows what a run needs.";

/// Where this rank computes (collective). Throws Error{usage} where a GPU is asked for and there is
/// none, or where two ranks would share one.
at::Device device_of(const StageConfig& config, Communicator& comm);

/// Collective. Skips a stage whose folder holds a result of this many updates. `begins` gets
/// the stage's complete configuration once nothing speaks against it, before anything is trained.
/// Returns whether the stage is finished; false: told to stop, may be resumed.
bool run_stage(Communicator& comm, const StageConfig& config, const StageLineage& lineage,
               const std::function<void(const Table& resolved)>& begins);

}  // namespace metaloom
