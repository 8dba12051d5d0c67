// What every disk promises, over this machine's and the simulated one: tests that pass on the
// latter would say nothing of a run if it behaved in another way than the former.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "tests/core/expect_error.h"
#include "tests/core/scratch.h"
#include "tests/core/simulated_disk.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;
using Kind = Found::Kind;
using Names = std::vector<std::string>;

/// This machine's disk, on which no file may have more bytes than `allow` says.
class SystemRoom {
 public:
  SystemRoom() { ::getrlimit(RLIMIT_FSIZE, &before_); }
  ~SystemRoom() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  void allow(std::uint64_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit now{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  fs::path root() const { return scratch_.path(); }
  SystemDisk disk;

 private:
  Scratch scratch_;
  rlimit before_ = {};
};

/// The simulated one, on which no more bytes than that may lie.
class SimulatedRoom {
 public:
  SimulatedRoom() { disk.make_folder(root()); }
  void allow(std::uint64_t bytes) { disk.capacity = bytes; }
  fs::path root() const { return "/laws"; }
  SimulatedDisk disk;
};

template <class Room>
class DiskLaws : public testing::Test {
 protected:
  DiskLaws() : root_(disk_.real(room_.root())) {}

  void write(const fs::path& file, std::string_view text) {
    disk_.write(root_ / file, std::as_bytes(std::span(text)));
  }
  std::string read(const fs::path& file) { return disk_.read_text(root_ / file); }
  Kind kind(const fs::path& path, Links links = Links::stop) {
    return disk_.look(root_ / path, links).kind;
  }
  Names names(const fs::path& folder = "") {
    Names out;
    for (const fs::path& path : disk_.list(folder.empty() ? root_ : root_ / folder)) {
      EXPECT_EQ(path.parent_path(), folder.empty() ? root_ : root_ / folder);
      out.push_back(path.filename().string());
    }
    return out;
  }
  int append(const fs::path& file, std::string_view text) {
    return disk_.appender(root_ / file)->append(text);
  }

  Room room_;
  Disk& disk_ = room_.disk;
  fs::path root_;
};

using Rooms = testing::Types<SystemRoom, SimulatedRoom>;
TYPED_TEST_SUITE(DiskLaws, Rooms);

TYPED_TEST(DiskLaws, WhatIsWrittenIsReadAndSeen) {
  for (const std::string text : {"", "abc", "d"}) {
    this->write("file", text);
    EXPECT_EQ(this->read("file"), text);
    EXPECT_EQ(this->disk_.look(this->root_ / "file").bytes, text.size());
  }
  EXPECT_EQ(this->kind("file"), Kind::file);
  EXPECT_EQ(this->kind("none"), Kind::nothing);
  EXPECT_EQ(this->kind("file/below"), Kind::nothing);
  EXPECT_EQ(this->kind(""), Kind::folder);
  EXPECT_EQ(this->names(), Names{"file"});
  EXPECT_EQ(this->names("file"), Names());
  EXPECT_EQ(this->names("none"), Names());
  EXPECT_ERROR(this->read("none"), Fault::data, "none");
  EXPECT_ERROR(this->read(""), Fault::data);
}

TYPED_TEST(DiskLaws, WhatCannotBeWrittenIsRefusedAndHarmsNothing) {
  this->disk_.make_folder(this->root_ / "folder");
  this->write("file", "old");
  EXPECT_ERROR(this->write("none/file", "x"), Fault::usage, "none/file");
  EXPECT_ERROR(this->write("folder", "x"), Fault::usage, "folder");
  EXPECT_ERROR(this->write("file/below", "x"), Fault::usage, "below");
  EXPECT_ERROR(this->disk_.replace(this->root_ / "none" / "file", "x"), Fault::usage);
  EXPECT_ERROR(this->disk_.replace(this->root_ / "folder", "x"), Fault::usage, "folder");
  EXPECT_ERROR(this->disk_.replace_link(this->root_ / "folder", "x"), Fault::usage, "folder");
  EXPECT_ERROR(this->disk_.replace_link(this->root_ / "none" / "link", "x"), Fault::usage);
  EXPECT_ERROR(this->disk_.make_folder(this->root_ / "file"), Fault::usage, "file");
  EXPECT_ERROR(this->disk_.make_folder(this->root_ / "file" / "below"), Fault::usage, "file");
  EXPECT_ERROR(this->disk_.sync(this->root_ / "none"), Fault::usage, "none");
  EXPECT_ERROR(this->disk_.sync(this->root_ / "file"), Fault::usage, "file");
  EXPECT_NE(this->append("none/file", "x"), 0);
  EXPECT_NE(this->append("folder", "x"), 0);
  EXPECT_EQ(this->names(), (Names{"file", "folder"}));
  EXPECT_EQ(this->names("folder"), Names());
  EXPECT_EQ(this->read("file"), "old");
}

TYPED_TEST(DiskLaws, AFullDiskLeavesTheOldFileOrNone) {
  for (const char* name : {"written", "replaced", "appended", "aim"}) this->write(name, "old");
  this->disk_.replace_link(this->root_ / "link", "aim");
  const auto end = this->disk_.appender(this->root_ / "appended");
  this->room_.allow(14);
  const std::string large(20, 'x');
  EXPECT_ERROR(this->write("written", large), Fault::temporary, "written");
  EXPECT_ERROR(this->write("new", large), Fault::temporary, "new");
  EXPECT_ERROR(this->disk_.replace(this->root_ / "replaced", large), Fault::temporary, "replaced");
  EXPECT_NE(end->append(large), 0);
  EXPECT_EQ(this->read("appended"), "old");
  EXPECT_ERROR(this->write("link", large), Fault::temporary, "link");
  EXPECT_EQ(this->names(), (Names{"aim", "appended", "replaced"}));
  EXPECT_EQ(this->read("replaced"), "old");
  this->room_.allow(1 << 20);
  EXPECT_EQ(end->append(large), 0);
  EXPECT_EQ(this->read("appended"), "old" + large);
}

TYPED_TEST(DiskLaws, ReplacingLeavesTheNewFileAloneAndLinksAsTheyAre) {
  // What broke: the simulated disk put the file into the link's place.
  this->disk_.make_folder(this->root_ / "away");
  this->write("away/aim", "old");
  this->disk_.replace_link(this->root_ / "away" / "link", "aim");
  this->disk_.replace_link(this->root_ / "chain", "away/link");
  this->disk_.replace_link(this->root_ / "early", "away/late");
  this->disk_.replace(this->root_ / "file", "1");
  this->disk_.replace(this->root_ / "file", "2");
  this->disk_.replace(this->root_ / "chain", "new");
  this->disk_.replace(this->root_ / "early", "now");
  EXPECT_EQ(this->read("file"), "2");
  EXPECT_EQ(this->kind("chain"), Kind::link);
  EXPECT_EQ(this->kind("away/link"), Kind::link);
  EXPECT_EQ(this->kind("away/aim"), Kind::file);
  EXPECT_EQ(this->read("away/aim"), "new");
  EXPECT_EQ(this->read("away/late"), "now");
  EXPECT_EQ(this->names(), (Names{"away", "chain", "early", "file"}));
  EXPECT_EQ(this->names("away"), (Names{"aim", "late", "link"}));
}

TYPED_TEST(DiskLaws, LinksLeadOrAreSeenThemselves) {
  this->disk_.make_folder(this->root_ / "a" / "b");
  this->write("a/file", "text");
  this->write("place", "gives way to a link");
  for (const auto& [link, target] : std::initializer_list<std::pair<const char*, const char*>>{
           {"place", "a"}, {"to", "none"}, {"to", "a/b"}, {"loop", "loop"}, {"nowhere", "none"}}) {
    this->disk_.replace_link(this->root_ / link, target);
    EXPECT_EQ(this->disk_.look(this->root_ / link, Links::stop).target, target);
    EXPECT_EQ(this->kind(link), Kind::link);
  }
  EXPECT_EQ(this->kind("to", Links::follow), Kind::folder);
  EXPECT_EQ(this->kind("nowhere", Links::follow), Kind::nothing);
  EXPECT_EQ(this->kind("loop", Links::follow), Kind::nothing);
  EXPECT_EQ(this->kind("place/file"), Kind::file);
  EXPECT_EQ(this->read("place/file"), "text");
  EXPECT_EQ(this->read("to/../file"), "text") << "beside what the link leads to";
  EXPECT_EQ(this->disk_.real(this->root_ / "to" / "new"), this->root_ / "a" / "b" / "new");
  this->write("to/through", "x");
  EXPECT_EQ(this->names("a/b"), Names{"through"});
  this->write("nowhere", "there now");
  EXPECT_EQ(this->read("none"), "there now");
  EXPECT_ERROR(this->write("loop", "x"), Fault::usage, "loop");
}

TYPED_TEST(DiskLaws, FoldersAreMadeWithAllAround) {
  this->disk_.make_folder(this->root_ / "a" / "b" / "c");
  this->disk_.make_folder(this->root_ / "a" / "b");
  this->disk_.replace_link(this->root_ / "link", "a");
  this->disk_.make_folder(this->root_ / "link" / "d");
  this->disk_.make_folder(this->root_ / "link");
  EXPECT_EQ(this->names(), (Names{"a", "link"}));
  EXPECT_EQ(this->names("a"), (Names{"b", "d"}));
  EXPECT_EQ(this->names("a/b"), Names{"c"});
  EXPECT_EQ(this->kind("link"), Kind::link);
}

TYPED_TEST(DiskLaws, RenamingTakesThePlaceOfAFileOrAnEmptyFolder) {
  const auto rename = [&](const char* from, const char* to) {
    this->disk_.rename(this->root_ / from, this->root_ / to);
  };
  for (const char* folder : {"full", "empty", "other"})
    this->disk_.make_folder(this->root_ / folder);
  for (const char* file : {"full/inside", "file", "old"}) this->write(file, file);
  this->disk_.replace_link(this->root_ / "link", "none");
  EXPECT_ERROR(rename("none", "new"), Fault::usage, "new");
  EXPECT_ERROR(rename("file", "none/new"), Fault::usage, "new");
  EXPECT_ERROR(rename("file", "empty"), Fault::usage, "empty");
  EXPECT_ERROR(rename("empty", "file"), Fault::usage, "file");
  EXPECT_ERROR(rename("empty", "full"), Fault::temporary, "full");
  EXPECT_ERROR(rename("full", "full/inner"), Fault::temporary, "inner");
  EXPECT_EQ(this->names(), (Names{"empty", "file", "full", "link", "old", "other"}));
  rename("file", "file");
  rename("file", "old");
  rename("link", "other/moved");
  rename("full", "empty");
  EXPECT_EQ(this->names(), (Names{"empty", "old", "other"}));
  EXPECT_EQ(this->read("old"), "file");
  EXPECT_EQ(this->read("empty/inside"), "full/inside");
  EXPECT_EQ(this->kind("other/moved"), Kind::link);
}

TYPED_TEST(DiskLaws, ExchangingLetsTwoPathsChangePlaces) {
  const auto exchange = [&](const char* a, const char* b) {
    return this->disk_.exchange(this->root_ / a, this->root_ / b);
  };
  this->disk_.make_folder(this->root_ / "folder");
  for (const char* file : {"folder/inside", "a", "b"}) this->write(file, file);
  if (!exchange("a", "b")) GTEST_SKIP() << "this disk cannot";
  EXPECT_EQ(this->read("a"), "b");
  EXPECT_EQ(this->read("b"), "a");
  EXPECT_TRUE(exchange("folder/inside", "a"));
  EXPECT_EQ(this->read("a"), "folder/inside");
  EXPECT_EQ(this->read("folder/inside"), "b");
  EXPECT_TRUE(exchange("folder", "b"));
  EXPECT_EQ(this->read("folder"), "a");
  EXPECT_EQ(this->names("b"), Names{"inside"});
  EXPECT_ERROR(exchange("a", "none"), Fault::usage, "none");
  EXPECT_EQ(this->names(), (Names{"a", "b", "folder"}));
}

TYPED_TEST(DiskLaws, RemovingTakesAllBelowAndNothingBehindALink) {
  this->disk_.make_folder(this->root_ / "folder" / "below");
  this->disk_.make_folder(this->root_ / "empty");
  for (const char* file : {"folder/below/file", "file"}) this->write(file, file);
  for (const char* link : {"one", "two"}) this->disk_.replace_link(this->root_ / link, "folder");
  this->disk_.replace_link(this->root_ / "nowhere", "none");
  this->disk_.remove(this->root_ / "one");
  for (const char* path : {"two", "file", "folder", "empty", "none", "none/below"}) {
    this->disk_.remove_empty(this->root_ / path);
  }
  EXPECT_EQ(this->names(), (Names{"file", "folder", "nowhere"}));
  for (const char* path : {"none", "none/below", "nowhere", "file"}) {
    this->disk_.remove(this->root_ / path);
  }
  EXPECT_EQ(this->names("folder/below"), Names{"file"});
  this->disk_.remove(this->root_ / "folder");
  EXPECT_EQ(this->names(), Names());
}

TYPED_TEST(DiskLaws, AppendingBeginsWhereTheFileEndsAndStaysWithIt) {
  this->write("file", "1");
  this->disk_.replace_link(this->root_ / "link", "file");
  this->disk_.replace_link(this->root_ / "early", "late");
  for (const char* text : {"2", "", "3"}) EXPECT_EQ(this->append("link", text), 0);
  EXPECT_EQ(this->append("early", ""), 0);
  EXPECT_EQ(this->append("early", "4"), 0);
  EXPECT_EQ(this->read("file"), "123");
  EXPECT_EQ(this->read("late"), "4");
  const auto end = this->disk_.appender(this->root_ / "file");
  EXPECT_EQ(end->append("5"), 0);
  EXPECT_EQ(end->sync(), 0);
  this->disk_.rename(this->root_ / "file", this->root_ / "moved");
  EXPECT_EQ(end->append("6"), 0);
  EXPECT_EQ(end->sync(), 0);
  EXPECT_EQ(this->read("moved"), "12356");
  EXPECT_EQ(this->names(), (Names{"early", "late", "link", "moved"}));
  EXPECT_EQ(this->disk_.appender(this->root_ / "made")->sync(), 0);
  EXPECT_EQ(this->read("made"), "");
  EXPECT_NE(this->disk_.appender(this->root_ / "none" / "file")->sync(), 0);
}

}  // namespace
}  // namespace metaloom
