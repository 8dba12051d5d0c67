// Files that are either wholly there or not at all, and read-only mappings.
// Every failure is an Error that names the path and the cure (free space, permissions). What a run
// must find again after a crash goes through a Disk (core/files/disk.h), which is made of these.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace metaloom {

/// Reserves the space, writes, fsyncs and closes `path`; on failure nothing is left behind.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
/// As write_file, but through a temporary beside `path`, renamed over it; fsyncs the folder. What
/// is a device or a pipe is written to as it stands.
void replace_file(const std::filesystem::path& path, std::string_view text);
void fsync_folder(const std::filesystem::path& folder);
/// Removes a file or a whole folder; nothing there is fine.
void remove_path(const std::filesystem::path& path);
/// With all folders around it; their names are on the disk when it returns: a folder that a crash
/// takes away takes all with it.
void make_folder(const std::filesystem::path& folder);

/// The file that takes the place of `path`: behind links, which stay. Nothing where `path` is a
/// device, a pipe or an open descriptor (/dev/stdout): it is written through, renamed over it would
/// be gone.
std::optional<std::filesystem::path> file_to_replace(const std::filesystem::path& path);

// What the above is made of, for those who write piece by piece. Descriptors are -1, with errno,
// where nothing could be opened.

/// Opens what is written through.
int open_through(const std::filesystem::path& path);
/// Where the new content of `path` is written first.
std::filesystem::path temporary_beside(const std::filesystem::path& path);
int create_file(const std::filesystem::path& path);
/// Writes all of `text`, in as many calls as it takes: 0, or errno of the one that failed.
int write_whole(int descriptor, std::string_view text);
/// Renames `temporary` over `path` and fsyncs the folder; on failure `temporary` is gone.
void take_place(const std::filesystem::path& temporary, const std::filesystem::path& path);

std::vector<std::byte> read_bytes(const std::filesystem::path& path);
std::string read_text(const std::filesystem::path& path);

/// A whole file mapped read-only for as long as the object lives.
class Mapping {
 public:
  explicit Mapping(const std::filesystem::path& path);
  ~Mapping();
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&&) = delete;
  Mapping(const Mapping&) = delete;
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace metaloom
