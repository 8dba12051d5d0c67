// What the control groups (cgroups) that this process is in leave of the machine: containers and
// batch systems give shares with them. Versions 1 and 2, at any depth; the tightest counts.
// `root` is where /proc and /sys are found: "/", or a made-up tree.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace metaloom {

/// A limit on the processor time of one group, in processors. Processes of one group share it.
struct ProcessorQuota {
  std::uint64_t group = 0;  // the same for all processes that see this group on this host
  double processors = 0;
};

/// The quotas over this process, its own group's first; none where nothing is limited.
std::vector<ProcessorQuota> processor_quotas(const std::filesystem::path& root = "/");

/// Bytes that the process's groups may hold in memory; infinity where nothing is limited.
double control_group_memory(const std::filesystem::path& root = "/");

}  // namespace metaloom
