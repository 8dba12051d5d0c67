// A file to which whole lines are appended, as logs and metrics are. A disk that refuses them for
// the moment loses none and leaves no half of one: they wait, and are tried again with the next.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "core/files/disk.h"

namespace metaloom {

class LineFile {
 public:
  /// Opens nothing yet: a file that cannot be opened is one that refuses.
  LineFile(Disk& disk, std::filesystem::path path)
      : path_(std::move(path)), end_(disk.appender(path_)) {}
  ~LineFile();  // tries a last time
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;
  /// Appends `lines` (each with its line break, or nothing at all) after those that wait. False:
  /// refused, they wait; errno says why.
  bool append(std::string_view lines);
  /// Brings all lines to the disk, those that wait too. False: some are not there; errno says why.
  bool sync();
  /// Whether lines wait.
  bool behind() const { return !waiting_.empty(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  bool write();

  std::filesystem::path path_;
  std::unique_ptr<Appender> end_;
  std::string waiting_;
};

}  // namespace metaloom
