#include "worker/report/metrics_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "core/files/files.h"
#include "tests/core/expect_error.h"
#include "tests/core/scratch.h"
#include "tests/core/simulated_disk.h"
#include "tests/core/this_machine.h"

namespace metaloom {
namespace {

TEST(MetricsFile, KeepsOneCurveThroughAResume) {
  const Scratch scratch;
  const auto path = scratch.path() / "metrics.jsonl";
  replace_file(path,
               "{\"kind\":\"evaluation\",\"step\":0}\n"
               "{\"kind\":\"update\",\"step\":1}\n"
               "{\"kind\":\"update\",\"step\":2}\n"
               "{\"kind\":\"update\",\"step\":3}\n"
               "{\"kind\":\"evaluation\",\"step\":1}\n"
               "{\"kind\":\"evaluation\",\"step\":2}\n"
               "{\"kind\":\"evaluation\",\"step\":2,\"final\":true}\n"
               "{\"kind\":\"update\",\"st");
  MetricsFile(this_disk, path, 2).append("{\"kind\":\"update\",\"step\":3,\"again\":1}");
  EXPECT_EQ(read_text(path),
            "{\"kind\":\"evaluation\",\"step\":0}\n"
            "{\"kind\":\"update\",\"step\":1}\n"
            "{\"kind\":\"update\",\"step\":2}\n"
            "{\"kind\":\"evaluation\",\"step\":1}\n"
            "{\"kind\":\"update\",\"step\":3,\"again\":1}\n");
}

TEST(MetricsFile, LinesThatAFullDiskRefusesWaitForSpace) {
  const SmallDisk disk("64k");
  if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount a tmpfs";
  const auto path = disk.path() / "metrics.jsonl";
  std::string expected;
  const auto append = [&](MetricsFile& file, std::int64_t step) {
    const std::string line = "{\"step\":" + std::to_string(step) + "}" + std::string(500, ' ');
    file.append(line);
    expected += line + '\n';
  };
  {
    MetricsFile file(this_disk, path, 0);
    append(file, 1);
    std::ofstream(disk.path() / "filler") << std::string(1 << 17, 'x');
    for (std::int64_t step = 2; step < 20; ++step) append(file, step);
    EXPECT_LT(read_text(path).size(), expected.size());
    EXPECT_EQ(read_text(path), expected.substr(0, read_text(path).size()));
    EXPECT_EQ(read_text(path).back(), '\n');
    std::filesystem::remove(disk.path() / "filler");
    append(file, 20);
    EXPECT_EQ(read_text(path), expected);
    std::ofstream(disk.path() / "filler") << std::string(1 << 17, 'x');
    for (std::int64_t step = 21; step < 40; ++step) append(file, step);
    std::filesystem::remove(disk.path() / "filler");
  }
  EXPECT_EQ(read_text(path), expected);
}

TEST(MetricsFile, DropsLinesThatAreNoneOfOurs) {
  const Scratch scratch;
  const auto path = scratch.path() / "metrics.jsonl";
  const std::string good = "{\"kind\":\"update\",\"step\":1,\"final\":3}\n";
  for (const std::string line :
       {"[1]", "7", "null", "{\"step\":\"one\"}", "{\"step\":null}", "{}", "", "}", "\"step\""}) {
    replace_file(path, good + line + "\n" + good);
    const MetricsFile file(this_disk, path, 2);
    EXPECT_EQ(read_text(path), good + good) << line;
  }
}

TEST(MetricsFile, StartsAfreshAtStepZero) {
  const Scratch scratch;
  const auto path = scratch.path() / "metrics.jsonl";
  replace_file(path, "{\"kind\":\"evaluation\",\"step\":0}\n");
  MetricsFile(this_disk, path, 0).append("{\"step\":0}");
  EXPECT_EQ(read_text(path), "{\"step\":0}\n");
}

TEST(MetricsFile, WhatCannotBeReadIsAnErrorAndStays) {
  const Scratch scratch;
  const auto path = scratch.path() / "metrics.jsonl";
  std::filesystem::create_directory(path);
  EXPECT_THROW(MetricsFile(this_disk, path, 2), Error);
  EXPECT_TRUE(std::filesystem::is_directory(path));
}

/// As a file server that has lost a file for the moment (EIO, ESTALE).
class LostFile final : public SimulatedDisk {
 public:
  Found look(const std::filesystem::path&, Links) override { return {}; }
  void check_reach(const std::filesystem::path& file) override {
    throw Error(Fault::temporary, "cannot be reached: Stale file handle", file.string());
  }
};

TEST(MetricsFile, WhatCannotBeLookedAtIsAnErrorAndStays) {
  // What broke: it counted as not there, and the resumed run's curve was appended to the old one.
  const std::filesystem::path path = "/metrics.jsonl";
  const std::string curve = "{\"step\":1}\n{\"step\":2}\n";
  LostFile disk;
  disk.replace(path, curve);
  EXPECT_ERROR(MetricsFile(disk, path, 1), Fault::temporary, "metrics.jsonl", "Stale");
  EXPECT_EQ(disk.read_text(path), curve);
}

TEST(MetricsFile, RefusesAFolderThatIsNotThere) {
  EXPECT_THROW(MetricsFile(this_disk, "no/such/folder/metrics.jsonl", 0), Error);
}

}  // namespace
}  // namespace metaloom
