// What lies beside a token store and says what it must be: NAME.json, of one file or of the index
// of shards (docs/formats.md, "Token store"). Nothing of the rows is read here.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/archive/archive.h"
#include "core/error.h"
#include "core/json.h"
#include "sampler/store/checked_file.h"
#include "sampler/task.h"

namespace metaloom {

inline constexpr const char* kStoreCure = "Run `metaloom data` again for this dataset.";

/// `json[key]` as a T; the library's exceptions become Error{data}.
template <class T>
T field(const Json& json, const char* key, const std::string& where) {
  try {
    return json.at(key).get<T>();
  } catch (const Json::exception& problem) {
    throw Error(Fault::data, '"' + std::string(key) + "\" is missing or of another type", where,
                kStoreCure);
  }
}

/// One file of rows, mapped, and where its columns ("train/tokens") lie.
struct StoreFile {
  std::unique_ptr<CheckedFile> file;
  std::map<std::string, Extent> places;
  std::array<std::int64_t, 3> rows{};  // promised, by split
};

struct StoreManifest {
  std::filesystem::path file;  // the store's own file, or its index of shards: what errors name
  std::string digest;          // of that file
  Json meta;
  std::array<std::int64_t, 3> rows{};  // promised, by split
  std::vector<StoreFile> files;
  /// Of shards: digests of the columns of all of them as one ("train/tokens"), 16 hex digits each.
  std::map<std::string, std::string> content;
  bool sharded = false;

  /// Reads NAME.json beside `path` (NAME.h5 or NAME.shards) and maps what it names. The size and
  /// the digest of a file are compared before HDF5 sees a byte of it; the blocks of shards, which
  /// it never sees, once they are used. Throws Error{data} naming the file.
  static StoreManifest read(const std::filesystem::path& path);
};

}  // namespace metaloom
