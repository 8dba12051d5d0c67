// Limits on files and descriptors are named with their cure; devices and pipes are written through.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "core/config/table.h"
#include "core/files/files.h"
#include "core/log/line_file.h"
#include "tests/core/expect_error.h"
#include "tests/core/scratch.h"
#include "tests/core/this_machine.h"

namespace metaloom {
namespace {

/// A soft limit for as long as the object lives.
class Limit {
 public:
  Limit(int resource, rlim_t soft) : resource_(resource) {
    ::getrlimit(static_cast<__rlimit_resource>(resource_), &before_);
    const rlimit now{soft, before_.rlim_max};
    ::setrlimit(static_cast<__rlimit_resource>(resource_), &now);
  }
  ~Limit() { ::setrlimit(static_cast<__rlimit_resource>(resource_), &before_); }

 private:
  int resource_;
  rlimit before_ = {};
};

TEST(FileLimits, AFileThatMayNotGrowNamesUlimit) {
  // What broke: SIGXFSZ ended the process, and EFBIG was told as a failing disk.
  const Scratch scratch;
  std::signal(SIGXFSZ, SIG_IGN);
  const Limit limit(RLIMIT_FSIZE, 1000);
  EXPECT_ERROR(replace_file(scratch.path() / "big", std::string(5000, 'x')), Fault::temporary,
               "1000 bytes allowed by ulimit -f", "ulimit -f unlimited");
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

TEST(FileLimits, TooManyOpenFilesNameUlimit) {
  const Scratch scratch;
  const int next = ::dup(STDIN_FILENO);  // the lowest that is free
  ::close(next);
  const Limit limit(RLIMIT_NOFILE, static_cast<rlim_t>(next));
  EXPECT_ERROR(replace_file(scratch.path() / "one", "x"), Fault::temporary, "ulimit -n");
  EXPECT_ERROR(read_text("/proc/self/status"), Fault::temporary, "ulimit -n");
}

TEST(FileLimits, APipeIsWrittenThroughAndStays) {
  // What broke: out=/dev/null, given by root, replaced the device by a file.
  const Scratch scratch;
  const auto pipe = scratch.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  replace_file(pipe, "through");
  char text[16] = {};
  EXPECT_EQ(::read(reader, text, sizeof text), 7);
  EXPECT_STREQ(text, "through");
  ::close(reader);
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  replace_file("/dev/null", "gone");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST(LineFile, KeepsWholeLinesUnderALimit) {
  const Scratch scratch;
  std::signal(SIGXFSZ, SIG_IGN);
  LineFile file(this_disk, scratch.path() / "lines");
  {
    const Limit limit(RLIMIT_FSIZE, 10);
    EXPECT_TRUE(file.append("12345\n"));
    EXPECT_FALSE(file.append("67890\n"));
    EXPECT_TRUE(file.behind());
    EXPECT_EQ(read_text(file.path()), "12345\n");
  }
  EXPECT_TRUE(file.append("abc\n"));
  EXPECT_EQ(read_text(file.path()), "12345\n67890\nabc\n");
}

TEST(ConfigurationText, IsReadAsWindowsSavesIt) {
  // What broke: a byte-order mark was "not valid TOML", and so was UTF-16.
  using namespace std::string_literals;
  EXPECT_EQ(Table::parse("\xef\xbb\xbfx = \"y\"\r\n[s]\r\nz = \"w\"\r\n", "a.toml").text("s.z"),
            "w");
  for (const std::string& text : {"\xff\xfex\0=\0"s, "\xfe\xff\0x\0="s, "x\0=\0"s, "\0x\0="s}) {
    EXPECT_ERROR(Table::parse(text, "a.toml"), Fault::usage, "UTF-16", "iconv -f UTF-16", "a.toml");
  }
}

}  // namespace
}  // namespace metaloom
