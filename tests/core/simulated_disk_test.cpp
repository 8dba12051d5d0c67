// What a crash of the machine leaves on the simulated disk. What else it does:
// tests/core/disk_laws_test.cpp.
#include "tests/core/simulated_disk.h"

#include <gtest/gtest.h>

namespace metaloom {
namespace {

TEST(SimulatedDisk, KeepsOfWhatIsAppendedWhatWasSynced) {
  bool torn = false;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    SimulatedDisk disk;
    disk.replace("/file", "");
    const auto end = disk.appender("/file");
    end->append("synced ");
    end->sync();
    end->append("lost");
    disk.restart(seed);
    const std::string text = disk.read_text("/file");
    EXPECT_TRUE(text.starts_with("synced ")) << seed << ": " << text;
    torn = torn || text != "synced lost";
  }
  EXPECT_TRUE(torn);
}

TEST(SimulatedDisk, HasAFolderThatAnEarlierStartMadeAndDidNotSync) {
  // What broke: a process that was killed before it synced what it had made; the next one saw the
  // folder there and synced nothing, and a crash of the machine took all that it wrote.
  for (std::int64_t killed_at = 1; killed_at <= 4; ++killed_at) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      SimulatedDisk disk;
      disk.fail(killed_at + 1, EIO);  // the root's sync, which is no part of it, is step 1
      EXPECT_THROW(disk.make_folder("/a/b"), Error);
      disk.make_folder("/a/b");
      disk.restart(seed);
      EXPECT_TRUE(disk.look("/a/b")) << killed_at;
    }
  }
}

}  // namespace
}  // namespace metaloom
