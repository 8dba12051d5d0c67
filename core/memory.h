// How the process holds memory, and how much there is.
#pragma once

#include <filesystem>
#include <string>

namespace metaloom {

/// Keeps what is freed for what is allocated next. A training step frees and allocates the same
/// large tensors over and over; giving each back to the system makes it fault in every page anew.
/// Does nothing where the C library is not glibc.
void keep_freed_memory();

struct Memory {
  double bytes = 0;
  std::string of;  // whose: "this host has", "its control group allows"
};

/// What `processes` processes on this host can hold together: the least of the machine's memory,
/// that of the process's control groups (below `root`) and the limits on each one (ulimit -v, -d).
Memory memory_of_this_place(int processes = 1, const std::filesystem::path& root = "/");

}  // namespace metaloom
