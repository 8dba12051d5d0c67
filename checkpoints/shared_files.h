// Sections that stay the same during a run (a frozen model): one file per content, in shared/,
// which any number of steps refer to.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "checkpoints/manifest.h"
#include "core/archive/archive.h"
#include "core/files/disk.h"

namespace metaloom {

class Checkpoint;

class SharedFiles {
 public:
  using Image = std::vector<std::byte>;

  /// `folder`, on `disk`, holds the checkpoints; `temporary` is the ending of files that are being
  /// written.
  SharedFiles(Disk& disk, std::filesystem::path folder, std::string temporary);

  /// How a manifest refers to `archive`. Where no file has its content, `files` gets the image
  /// that is to be written, by its path in the folder.
  SectionFile refer(const std::string& name, const Archive& archive,
                    std::map<std::filesystem::path, Image>& files);
  void write(const std::filesystem::path& file, const Image& image) const;
  /// Writes anew the files of `shared` that a step refers to and that do not hold what their
  /// names say.
  void restore(const std::map<std::string, Archive>& shared);
  /// Throws Error{usage} where `found` has another content for a section referred to before.
  void check_same(const Checkpoint& found) const;
  /// Removes what no manifest names; nothing at all while one manifest cannot be read.
  void remove_unnamed() const;
  /// Removes what a killed run was writing.
  void clear_leftovers() const;

 private:
  bool holds(const std::filesystem::path& file, const SectionFile& section) const;
  std::set<std::string> named_by(std::int64_t step) const;

  Disk& disk_;
  std::filesystem::path folder_;
  std::string temporary_;
  std::map<std::string, SectionFile> known_;  // by the section's name
};

}  // namespace metaloom
