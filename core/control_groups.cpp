#include "core/control_groups.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

namespace metaloom {
namespace {

namespace fs = std::filesystem;

/// Everything below this is a limit; version 1 writes "none" as a number of pages near 2^63 bytes.
constexpr double kNoLimit = 0x1p62;

bool names(const std::string& list, const std::string& one) {
  return (',' + list + ',').find(',' + one + ',') != std::string::npos;
}

/// `path` below `top`, and every folder from there up to `top` itself. A container may see its own
/// group as `top`, and `path` as the host does: then only `top` is there.
void add_upwards(const fs::path& top, const fs::path& path, std::vector<fs::path>& out) {
  std::error_code ignored;
  if (!fs::is_directory(top, ignored)) return;
  for (fs::path at = path.relative_path(); !at.empty(); at = at.parent_path()) {
    if (fs::is_directory(top / at, ignored)) out.push_back(top / at);
  }
  out.push_back(top);
}

/// The folders of the groups of this process that `controller` may limit, of either version.
std::vector<fs::path> groups(const fs::path& root, const std::string& controller) {
  const fs::path mounted = root / "sys/fs/cgroup";
  std::vector<fs::path> out;
  std::ifstream in(root / "proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {  // hierarchy:controllers:path
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path path = fs::path(line.substr(second + 1)).lexically_normal();
    if (controllers.empty()) {
      add_upwards(mounted, path, out);
      add_upwards(mounted / "unified", path, out);
    } else if (names(controllers, controller)) {
      add_upwards(mounted / controllers, path, out);
      if (controllers != controller) add_upwards(mounted / controller, path, out);
    }
  }
  return out;
}

/// The numbers in a file, in order; "max" is infinity, what is not there an empty list.
std::vector<double> numbers_in(const fs::path& file) {
  std::vector<double> out;
  std::ifstream in(file);
  for (std::string word; in >> word;) {
    std::istringstream text(word);
    double number = std::numeric_limits<double>::infinity();
    if (word != "max" && !(text >> number)) return {};
    out.push_back(number);
  }
  return out;
}

std::uint64_t identity(const fs::path& folder) {
  struct stat status = {};
  return ::stat(folder.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

std::vector<ProcessorQuota> processor_quotas(const fs::path& root) {
  std::vector<ProcessorQuota> out;
  for (const fs::path& group : groups(root, "cpu")) {
    std::vector<double> quota = numbers_in(group / "cpu.max");  // of each period, and the period
    if (quota.empty()) {
      quota = numbers_in(group / "cpu.cfs_quota_us");  // -1: none
      const std::vector<double> period = numbers_in(group / "cpu.cfs_period_us");
      quota.insert(quota.end(), period.begin(), period.end());
    }
    if (quota.size() != 2 || !(quota[0] > 0 && quota[0] < kNoLimit && quota[1] > 0)) continue;
    out.push_back({identity(group), quota[0] / quota[1]});
  }
  return out;
}

double control_group_memory(const fs::path& root) {
  double least = std::numeric_limits<double>::infinity();
  for (const fs::path& group : groups(root, "memory")) {
    for (const char* file : {"memory.max", "memory.limit_in_bytes"}) {
      const std::vector<double> limit = numbers_in(group / file);
      if (limit.size() == 1 && limit[0] < kNoLimit) least = std::min(least, limit[0]);
    }
  }
  return least;
}

}  // namespace metaloom
