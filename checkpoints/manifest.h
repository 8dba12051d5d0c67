// The manifest of a checkpoint: what the folder holds, in which bytes, and of which run. It is
// written last and carries a digest of itself, so that a folder with a manifest is complete.
// Format: docs/formats.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/files/disk.h"

namespace metaloom {

/// One section's HDF5 image.
struct SectionFile {
  std::string file;  // "theta.h5" in the folder, or "../shared/<digest>.h5"
  std::int64_t bytes = 0;
  std::string xxh3;  // 16 hexadecimal digits
};

struct Manifest {
  std::int64_t step = 0;
  std::string config_digest;
  std::string attempt;    // which start of the program wrote it
  std::int64_t time = 0;  // seconds since 1970
  std::map<std::string, SectionFile> sections;

  std::string to_json() const;
  /// Throws Error{data} that names `where`: damaged, or a file that points outside the
  /// checkpoints; Error{usage} where it is whole but of another format version.
  static Manifest parse(const std::string& json, const std::string& where);
};

/// "step_00000120".
std::string step_name(std::int64_t step);
/// The step of such a name, -1 if it is none.
std::int64_t step_of(const std::string& name);
/// The steps that have a folder in `folder`, ascending.
std::vector<std::int64_t> steps_in(Disk& disk, const std::filesystem::path& folder);
/// In the name of what is not yet, or no longer, part of a checkpoint.
inline constexpr const char* kTemporary = ".tmp-";
/// The name of a shared file by its content: "<digest>.h5".
std::string shared_name(const std::string& xxh3);
bool is_shared_name(const std::string& name);

}  // namespace metaloom
