// What control groups leave of a machine, read from made-up trees of both versions.
#include "core/control_groups.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <string>

#include "core/memory.h"
#include "tests/core/scratch.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

using Tree = std::map<std::string, std::string>;  // path below the root -> what is in it

struct Row {
  const char* what;
  Tree tree;
  double processors;  // the least quota; 0: none
  double memory;      // 0: none
};

const std::string kOwn = "proc/self/cgroup", kTop = "sys/fs/cgroup/";

const Row kRows[] = {
    {"nothing at all", {}, 0, 0},
    {"version 2, no limits",
     {{kOwn, "0::/a\n"}, {kTop + "a/cpu.max", "max 100000\n"}, {kTop + "a/memory.max", "max\n"}},
     0,
     0},
    {"version 2",
     {{kOwn, "0::/a\n"},
      {kTop + "a/cpu.max", "150000 100000\n"},
      {kTop + "a/memory.max", "1073741824\n"}},
     1.5,
     0x1p30},
    {"version 2, the limit is two groups further up",
     {{kOwn, "0::/slice/job/step\n"},
      {kTop + "slice/cpu.max", "200000 100000\n"},
      {kTop + "slice/job/cpu.max", "400000 100000\n"},
      {kTop + "slice/job/step/cpu.max", "max 100000\n"},
      {kTop + "slice/memory.max", "1024\n"},
      {kTop + "slice/job/step/memory.max", "2048\n"}},
     2,
     1024},
    {"version 2 in a container that sees its own group as the top",
     {{kOwn, "0::/\n"}, {kTop + "cpu.max", "50000 100000\n"}, {kTop + "memory.max", "4096\n"}},
     0.5,
     4096},
    {"version 1",
     {{kOwn, "4:memory:/job\n2:cpu,cpuacct:/job\n"},
      {kTop + "cpu,cpuacct/job/cpu.cfs_quota_us", "300000\n"},
      {kTop + "cpu,cpuacct/job/cpu.cfs_period_us", "100000\n"},
      {kTop + "memory/job/memory.limit_in_bytes", "8192\n"}},
     3,
     8192},
    {"version 1, no limits",
     {{kOwn, "4:memory:/job\n2:cpu:/job\n"},
      {kTop + "cpu/job/cpu.cfs_quota_us", "-1\n"},
      {kTop + "cpu/job/cpu.cfs_period_us", "100000\n"},
      {kTop + "memory/job/memory.limit_in_bytes", "9223372036854771712\n"}},
     0,
     0},
    {"version 1 in a container whose path is the host's",
     {{kOwn, "4:memory:/docker/0123\n2:cpu:/docker/0123\n"},
      {kTop + "cpu/cpu.cfs_quota_us", "100000\n"},
      {kTop + "cpu/cpu.cfs_period_us", "100000\n"},
      {kTop + "memory/memory.limit_in_bytes", "8192\n"}},
     1,
     8192},
    {"both versions at once",
     {{kOwn, "3:cpu:/job\n0::/job\n"},
      {kTop + "cpu/job/cpu.cfs_quota_us", "400000\n"},
      {kTop + "cpu/job/cpu.cfs_period_us", "100000\n"},
      {kTop + "unified/job/memory.max", "8192\n"}},
     4,
     8192},
    {"files with nothing that can be read",
     {{kOwn, "rubbish\n0::/a\n"}, {kTop + "a/cpu.max", "much\n"}, {kTop + "a/memory.max", ""}},
     0,
     0},
};

void make(const fs::path& root, const Tree& tree) {
  for (const auto& [path, text] : tree) {
    fs::create_directories((root / path).parent_path());
    std::ofstream(root / path) << text;
  }
}

TEST(ControlGroups, AreReadUpToTheTop) {
  // What broke: quotas and memory limits of containers were not looked at.
  for (const Row& row : kRows) {
    const Scratch scratch;
    make(scratch.path(), row.tree);
    double least = 0;
    for (const ProcessorQuota& quota : processor_quotas(scratch.path())) {
      EXPECT_NE(quota.group, 0) << row.what;
      least = least == 0 ? quota.processors : std::min(least, quota.processors);
    }
    EXPECT_EQ(least, row.processors) << row.what;
    const double memory = control_group_memory(scratch.path());
    EXPECT_EQ(std::isinf(memory) ? 0 : memory, row.memory) << row.what;
  }
}

TEST(ControlGroups, LimitTheMemoryOfThisPlace) {
  const Scratch free, limited;
  make(free.path(), {});
  make(limited.path(), {{kOwn, "0::/a\n"}, {kTop + "a/memory.max", "1048576\n"}});
  EXPECT_GT(memory_of_this_place(1, free.path()).bytes, 0x1p20);
  const Memory memory = memory_of_this_place(2, limited.path());
  EXPECT_EQ(memory.bytes, 0x1p20);
  EXPECT_NE(memory.of.find("control group"), std::string::npos) << memory.of;
}

}  // namespace
}  // namespace metaloom
