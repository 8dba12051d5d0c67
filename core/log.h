// The log of one rank: spdlog to stderr, and on rank 0 to a file as well. Ranks other than 0
// print warnings and errors only.
#pragma once

#include <spdlog/spdlog.h>

#include <filesystem>

namespace metaloom {

/// Names the rank in every line. Call once per process; before it, plain stderr is used.
void start_log(int rank, int world);
/// From here on also appends to `file` (rank 0).
void log_to_file(const std::filesystem::path& file);

}  // namespace metaloom
