// Archive: a tree of named tensors and texts, as one HDF5 image in memory. The only place that
// knows HDF5: a write builds the whole image, digests it, and hands it to write_file, so that a
// full disk is seen before any old byte is touched; a read parses bytes that were verified.
// Layout (docs/formats.md): libver V110, chunked, fletcher32, little-endian; a text is a uint8
// dataset with attribute `text`, bf16 and bool carry attribute `dtype`.
// HDF5 is seen by the files of this room alone, and used by one thread of a process at a time (a
// lock in hdf5.cpp).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/params.h"

namespace metaloom {

class Archive {
 public:
  /// Keeps `value` (shared, detached; any device) at `path`, names separated by slashes. Throws
  /// Error{internal} on an empty name, or where one item would lie inside another.
  void put(const std::string& path, const at::Tensor& value);
  void put_text(const std::string& path, std::string value);
  void put_params(const std::string& prefix, const Params& params);  // prefix/name each; "": name

  bool contains(const std::string& path) const;
  /// Throw Error{data} that names the origin and the nearest known path.
  at::Tensor get(const std::string& path) const;
  const std::string& text(const std::string& path) const;
  Params params(const std::string& prefix) const;
  /// Names of the direct children of `prefix` ("" for the root), sorted.
  std::vector<std::string> children(const std::string& prefix) const;
  const std::map<std::string, at::Tensor>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& texts() const { return texts_; }

  /// The HDF5 image of this tree; equal trees give equal bytes (no times are stored).
  /// Throws Error{internal} on a dtype the format does not have (fp16, complex).
  std::vector<std::byte> image() const;
  /// The same tree laid out for read_layout and a mapping: contiguous, aligned to 64 bytes,
  /// without checksums (a token store's manifest has the digest of the whole file).
  std::vector<std::byte> contiguous_image() const;
  /// Parses an image. `origin` is named in errors. Checksums of all chunks are verified;
  /// sizes are bounded by the image before anything is allocated.
  static Archive parse(std::span<const std::byte> image, const std::string& origin);
  /// Reads and parses a whole file.
  static Archive load(const std::filesystem::path& file);

 private:
  void check_place(const std::string& path) const;
  std::vector<std::byte> image_with(bool contiguous) const;

  std::string origin_ = "new archive";
  std::map<std::string, at::Tensor> tensors_;
  std::map<std::string, std::string> texts_;
};

/// Where the numbers of a contiguous dataset lie in its file: what a mapping needs.
struct Extent {
  std::int64_t offset;  // bytes from the start of the file
  std::int64_t count;   // elements
  int bytes_each;       // 4 (int32) or 8 (int64)
};

/// The contiguous integer datasets of a file by path, and its texts; nothing else is read.
struct Layout {
  std::map<std::string, Extent> places;
  std::map<std::string, std::string> texts;
};
/// Throws Error{data} on a place outside the file or not aligned to its numbers.
Layout read_layout(const std::filesystem::path& file);

}  // namespace metaloom
