// The log of one rank: spdlog to stderr, and on rank 0 to a file as well. Ranks other than 0
// print warnings and errors only. A log that cannot be written ends nothing: what stderr refuses is
// lost, what the file refuses waits.
#pragma once

#include <spdlog/spdlog.h>

#include <filesystem>
#include <string_view>

#include "core/files/disk.h"

namespace metaloom {

/// Names the rank in every line. Call once per process; before it, plain stderr is used.
void start_log(int rank, int world);
/// From here on also appends to `file` (rank 0).
void log_to_file(Disk& disk, const std::filesystem::path& file);

/// Puts `text` on stderr, in one call that no lock of ours can block. Never throws: that nobody can
/// read it (a full disk, a closed pipe) is no reason not to go on. Everything that is no result is
/// printed by the log or by this.
void say(std::string_view text);

}  // namespace metaloom
