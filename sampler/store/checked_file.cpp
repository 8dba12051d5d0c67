#include "sampler/store/checked_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "core/digest.h"
#include "core/error.h"
#include "sampler/store/store_manifest.h"

namespace metaloom {

CheckedFile::CheckedFile(const std::filesystem::path& path, std::int64_t bytes, std::uint64_t whole)
    : path_(path), mapping_(path), shift_(62), digests_{whole} {
  check_size(bytes);
  good_ = std::make_unique<std::atomic<bool>[]>(1);
  check(0);
}

CheckedFile::CheckedFile(const std::filesystem::path& path, std::int64_t bytes, std::int64_t block,
                         std::vector<std::uint64_t> digests)
    : path_(path),
      mapping_(path),
      shift_(std::countr_zero(static_cast<std::uint64_t>(block))),
      digests_(std::move(digests)) {
  check_size(bytes);
  if (std::ssize(digests_) != (bytes + block - 1) / block)
    throw Error(Fault::data, fmt::format("{} digests of blocks", digests_.size()), path.string(),
                kStoreCure);
  good_ = std::make_unique<std::atomic<bool>[]>(digests_.size());
}

void CheckedFile::check_size(std::int64_t bytes) const {
  if (bytes == size()) return;
  throw Error(Fault::data,
              fmt::format("{} bytes where the manifest says {}: cut short, or of another run",
                          size(), bytes),
              path_.string(), kStoreCure);
}

void CheckedFile::check(std::int64_t block) const {
  const std::int64_t begin = block << shift_, whole = std::int64_t{1} << shift_;
  const auto bytes = mapping_.bytes().subspan(
      static_cast<std::size_t>(begin), static_cast<std::size_t>(std::min(whole, size() - begin)));
  const std::uint64_t found = digest(bytes), expected = digests_[static_cast<std::size_t>(block)];
  if (found != expected)
    throw Error(
        Fault::data,
        fmt::format("digest {} where the manifest says {}{}: damaged", hex(found), hex(expected),
                    digests_.size() == 1 ? "" : fmt::format(" (from byte {} on)", begin)),
        path_.string(), kStoreCure);
  good_[static_cast<std::size_t>(block)].store(true, std::memory_order_relaxed);
}

}  // namespace metaloom
