// Folders that tests write to: a fresh one per test, gone afterwards, and a disk that can be
// filled. Owned by the test that makes them.
#pragma once

#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace metaloom {

class Scratch {
 public:
  explicit Scratch(const std::filesystem::path& below = std::filesystem::temp_directory_path()) {
    std::string name = (below / "metaloom-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  /// In memory where there is such a place: for tests of logic that would wait for a disk.
  static Scratch in_memory() {
    const bool usable = ::access("/dev/shm", W_OK) == 0;
    return Scratch(usable ? "/dev/shm" : std::filesystem::temp_directory_path());
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A tmpfs of limited size. Needs the right to mount: tests skip visibly without it.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& size) {
    const std::string options = "size=" + size;
    mounted_ = ::mount("none", folder_.path().c_str(), "tmpfs", 0, options.c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  const std::filesystem::path& path() const { return folder_.path(); }

 private:
  Scratch folder_;
  bool mounted_ = false;
};

}  // namespace metaloom
