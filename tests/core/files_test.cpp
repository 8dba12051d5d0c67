#include "core/files/files.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/core/expect_error.h"
#include "tests/core/scratch.h"
#include "tests/core/this_machine.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

TEST(Files, WriteAndReadBack) {
  const Scratch scratch;
  for (const std::size_t size : {0, 1, 4096, 1000003}) {
    const std::string text(size, 'x');
    const auto file = scratch.path() / "file";
    write_file(file, bytes(text));
    EXPECT_EQ(read_text(file), text);
    EXPECT_EQ(read_bytes(file).size(), size);
    EXPECT_EQ(Mapping(file).bytes().size(), size);
  }
  EXPECT_EQ(entries(scratch.path()), 1u);
}

TEST(Files, ReadFilesWhoseSizeIsNotKnown) {
  EXPECT_FALSE(read_text("/proc/self/status").empty());
}

TEST(Files, ReplaceLeavesNothingElse) {
  const Scratch scratch;
  const auto file = scratch.path() / "file";
  replace_file(file, "old");
  replace_file(file, "new");
  EXPECT_EQ(read_text(file), "new");
  EXPECT_EQ(entries(scratch.path()), 1u);
}

TEST(Files, ReplaceLinkMovesIt) {
  const Scratch scratch;
  const auto link = scratch.path() / "latest";
  this_disk.replace_link(link, "step_1");
  this_disk.replace_link(link, "step_2");
  EXPECT_EQ(fs::read_symlink(link), "step_2");
  EXPECT_EQ(entries(scratch.path()), 1u);
}

TEST(Files, ReplaceLinkRefusesAFolderInItsPlace) {
  const Scratch scratch;
  fs::create_directory(scratch.path() / "latest");
  EXPECT_ERROR(this_disk.replace_link(scratch.path() / "latest", "x"), Fault::usage, "latest");
  EXPECT_EQ(entries(scratch.path()), 1u);
}

TEST(Files, MappingMoves) {
  const Scratch scratch;
  write_file(scratch.path() / "file", bytes("abc"));
  Mapping first(scratch.path() / "file");
  const Mapping second(std::move(first));
  EXPECT_EQ(second.bytes().size(), 3u);
  EXPECT_EQ(static_cast<char>(second.bytes()[2]), 'c');
}

TEST(Files, MissingOnesAreErrorsOfTheData) {
  const Scratch scratch;
  EXPECT_ERROR(read_bytes(scratch.path() / "no"), Fault::data, "no", "No such file");
  EXPECT_ERROR(Mapping(scratch.path() / "no"), Fault::data, "No such file");
  EXPECT_ERROR(read_text(scratch.path()), Fault::data, "not a regular file");
}

TEST(Files, UnwritablePlacesAreErrorsOfUsage) {
  const Scratch scratch;
  EXPECT_ERROR(write_file(scratch.path() / "no" / "file", bytes("x")), Fault::usage, "create");
  EXPECT_ERROR(replace_file(scratch.path() / "no" / "file", "x"), Fault::usage, "No such file");
  EXPECT_ERROR(fsync_folder(scratch.path() / "no"), Fault::usage, "No such file");
}

TEST(Files, FullDeviceIsTemporary) {
  // Reserving is not supported on a device, so this is the write that fails.
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "/dev/full is not here";
  const Scratch scratch;
  fs::create_symlink("/dev/full", scratch.path() / "file");
  EXPECT_ERROR(write_file(scratch.path() / "file", bytes("x")), Fault::temporary, "No space left",
               "1 bytes wanted", "Free some space");
  EXPECT_EQ(entries(scratch.path()), 0u);
}

TEST(Files, FullDiskLeavesNothingBehind) {
  const SmallDisk disk("1m");
  if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount a tmpfs";
  write_file(disk.path() / "good", bytes("good"));
  const std::string large(2 << 20, 'x');
  EXPECT_ERROR(write_file(disk.path() / "large", bytes(large)), Fault::temporary, "large",
               "No space left", "2097152 bytes wanted", "bytes free", "Free some space");
  EXPECT_ERROR(replace_file(disk.path() / "good", large), Fault::temporary, "No space left");
  EXPECT_EQ(entries(disk.path()), 1u);
  EXPECT_EQ(read_text(disk.path() / "good"), "good");
}

}  // namespace
}  // namespace metaloom
