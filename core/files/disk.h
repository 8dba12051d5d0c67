// Seam: a disk. What a run must find again after anything that may happen (checkpoints, metrics) is
// read and written through a Disk that it was given, so that tests can replace it by one that
// crashes between any two steps, tears, forgets and runs full (tests/core/simulated_disk.h).
// Failures are Errors that name the path and the cure, of the kinds of core/files/errors.h.
// Used by any number of threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace metaloom {

/// Whether the last name of a path, where it is a link, stands for what it leads to.
enum class Links { follow, stop };

/// What lies at a path.
struct Found {
  enum class Kind { nothing, file, folder, link, other };
  Kind kind = Kind::nothing;
  std::uint64_t bytes = 0;       // of a file
  std::filesystem::path target;  // of a link
  explicit operator bool() const { return kind != Kind::nothing; }
};

/// A file at whose end something is put, again and again.
class Appender {
 public:
  virtual ~Appender() = default;
  /// Appends all of `text`: 0, or the errno of what failed; the file then ends as before.
  virtual int append(std::string_view text) = 0;
  /// Brings all that was appended to the disk: 0, or errno. Where this has made the file, its name
  /// is brought there by `sync` of its folder alone.
  virtual int sync() = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;

  /// What cannot be looked at counts as nothing: `check_reach` tells the difference.
  virtual Found look(const std::filesystem::path& path, Links links = Links::follow) = 0;
  /// Throws Error{temporary} unless `file` can be read, or is not there at all.
  virtual void check_reach(const std::filesystem::path& file) = 0;
  /// What lies in `folder`, as full paths, sorted; nothing where there is no folder.
  virtual std::vector<std::filesystem::path> list(const std::filesystem::path& folder) = 0;
  /// The absolute path without links, as far as there is something.
  virtual std::filesystem::path real(const std::filesystem::path& path) = 0;
  virtual std::vector<std::byte> read(const std::filesystem::path& file) = 0;
  std::string read_text(const std::filesystem::path& file);

  /// Writes a new file and brings its content to the disk; its name only `sync` of its folder
  /// does. On failure nothing is left behind.
  virtual void write(const std::filesystem::path& file, std::span<const std::byte> bytes) = 0;
  /// Brings the names in `folder` to the disk, as they now are.
  virtual void sync(const std::filesystem::path& folder) = 0;
  /// Puts `text` into the place of a file in one step, durable when it returns.
  virtual void replace(const std::filesystem::path& file, std::string_view text) = 0;
  /// Points the symbolic link `link` at `target` in one step, durable when it returns.
  virtual void replace_link(const std::filesystem::path& link,
                            const std::filesystem::path& target) = 0;
  /// Opens nothing yet: a file that cannot be opened is one that refuses what is appended.
  virtual std::unique_ptr<Appender> appender(const std::filesystem::path& file) = 0;
  /// With all folders around it; their names are on the disk when it returns.
  virtual void make_folder(const std::filesystem::path& folder) = 0;
  /// Within one disk; what stands at `to` must be a file, or an empty folder.
  virtual void rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  /// Lets two paths change places in one step; false where the disk cannot.
  virtual bool exchange(const std::filesystem::path& a, const std::filesystem::path& b) = 0;
  /// A file, a link or a whole folder; nothing there is fine.
  virtual void remove(const std::filesystem::path& path) = 0;
  /// A link, or a folder that holds nothing; any other, and one that cannot be removed, stays.
  virtual void remove_empty(const std::filesystem::path& folder) = 0;
};

/// The file systems of this machine.
class SystemDisk final : public Disk {
 public:
  Found look(const std::filesystem::path& path, Links links = Links::follow) override;
  void check_reach(const std::filesystem::path& file) override;
  std::vector<std::filesystem::path> list(const std::filesystem::path& folder) override;
  std::filesystem::path real(const std::filesystem::path& path) override;
  std::vector<std::byte> read(const std::filesystem::path& file) override;
  void write(const std::filesystem::path& file, std::span<const std::byte> bytes) override;
  void sync(const std::filesystem::path& folder) override;
  void replace(const std::filesystem::path& file, std::string_view text) override;
  void replace_link(const std::filesystem::path& link,
                    const std::filesystem::path& target) override;
  std::unique_ptr<Appender> appender(const std::filesystem::path& file) override;
  void make_folder(const std::filesystem::path& folder) override;
  void rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  bool exchange(const std::filesystem::path& a, const std::filesystem::path& b) override;
  void remove(const std::filesystem::path& path) override;
  void remove_empty(const std::filesystem::path& folder) override;
};

}  // namespace metaloom
