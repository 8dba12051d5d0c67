// Runs one stage from its configuration to its result: resume, loop, evaluation, records.
#pragma once

#include "comm/communicator.h"
#include "core/config.h"
#include "launcher/overlap.h"
#include "launcher/run_config.h"

namespace metaloom {

struct StageResult {
  bool finished = false;  // false: told to stop, may be resumed
  Table resolved;         // the stage's complete configuration
};

/// Where this rank computes. Throws Error{usage} where a GPU is asked for and there is none.
at::Device device_of(const StageConfig& config, const Communicator& comm);

/// Collective. Skips a stage whose folder holds a result of the same configuration.
StageResult run_stage(Communicator& comm, const StageConfig& config, const StageLineage& lineage);

}  // namespace metaloom
