// How a stage starts: from nothing, from its last checkpoint with what may have changed since, or
// not at all because it is finished.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.h"
#include "core/config/table.h"
#include "launcher/stage/assembly.h"
#include "launcher/stage/run_identity.h"

namespace metaloom {

struct StageStart {
  bool finished = false;
  std::int64_t steps_before = 0;     // of a run that goes on to another number of updates; else 0
  std::vector<std::string> changes;  // since the last start: settings, and what was allowed
};

/// Rank 0 decides for all (collective). Throws Error{usage} where the folder holds another run, or
/// one whose data or model have changed, unless that is allowed; Error{no_checkpoint} where one is
/// demanded.
StageStart start_of(Communicator& comm, const Assembly& stage, const Table& resolved);

/// The changes recorded so far and, where there are any, the latest ones, as provenance.json has
/// them.
Json changes_with(const std::filesystem::path& folder, const StageStart& start,
                  const std::string& time);

/// The configuration that holds for a finished stage: what made it, where its files now are.
Table finished_config(const Assembly& stage, const Table& resolved);

}  // namespace metaloom
