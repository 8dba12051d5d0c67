// The process as a member of its world: joining, threads, signals, and leaving after an error.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "comm/communicator.h"

namespace metaloom {

/// Joins the world and sets up this process for it: log, threads per rank.
/// From here on an error ends all ranks. One per process, kept until the process ends.
Communicator& enter_world(const CommOptions& options);

/// Prints `message` (empty: somebody said it already) and ends: all ranks of a world that was
/// entered (never gracefully: a peer may be stuck), or just this process. Returns the exit code
/// only in the latter case.
int end_with_error(int exit_code, const std::string& message);

/// Leaves in order, after success; collective.
void leave_world();

/// From here on TERM, INT, HUP, USR1 and USR2 ask the process to stop in order; for verbs that then
/// do. INT and HUP stay ignored where they are (nohup).
void catch_stop_signals();

/// Whether one of them has been received; a second INT or TERM ends the process at once.
bool told_to_stop();

/// What rank 0 says, for all: another node may see an older state of the shared file system.
std::string as_rank_0_says(Communicator& comm, const std::string& text);

/// "one line per fact" about where this process runs: host, ranks, threads, versions, git state.
std::string provenance_json(const Communicator& comm, int threads);

}  // namespace metaloom
