// A mapped file none of whose bytes is used before it was compared with a digest: of the whole
// file, when it is mapped, or of each of its blocks, when something in it is used first. A file of
// any size is then open at once, and every rank reads and checks no more of it than it uses.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "core/files/files.h"

namespace metaloom {

class CheckedFile {
 public:
  /// Compares the whole file with one digest. Throws Error{data} where it is not the one told.
  CheckedFile(const std::filesystem::path& path, std::int64_t bytes, std::uint64_t digest);
  /// Maps `path`, which has `bytes` bytes and a digest for each `block` (a power of two) of them;
  /// reads nothing. Throws Error{data} where its size is another.
  CheckedFile(const std::filesystem::path& path, std::int64_t bytes, std::int64_t block,
              std::vector<std::uint64_t> digests);

  const std::filesystem::path& path() const { return path_; }
  const std::byte* data() const { return mapping_.bytes().data(); }
  std::int64_t size() const { return static_cast<std::int64_t>(mapping_.bytes().size()); }
  /// To be called before `count` (at least 1) bytes from `offset` on, which lie in the file, are
  /// used. Throws Error{data} where they are damaged. Thread-safe.
  void use(std::int64_t offset, std::int64_t count) const {
    const std::int64_t last = (offset + count - 1) >> shift_;
    for (std::int64_t block = offset >> shift_; block <= last; ++block)
      if (!good_[static_cast<std::size_t>(block)].load(std::memory_order_relaxed)) check(block);
  }

 private:
  void check_size(std::int64_t bytes) const;
  void check(std::int64_t block) const;

  std::filesystem::path path_;
  Mapping mapping_;
  int shift_;  // a block has 1 << shift_ bytes
  std::vector<std::uint64_t> digests_;
  std::unique_ptr<std::atomic<bool>[]> good_;  // those compared
};

}  // namespace metaloom
