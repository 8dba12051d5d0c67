#include "core/files/disk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/files/errors.h"
#include "core/files/files.h"

namespace metaloom {

namespace {

namespace fs = std::filesystem;

// Its file stays open from one append to the next.
class FileEnd final : public Appender {
 public:
  explicit FileEnd(fs::path file) : file_(std::move(file)) {}
  ~FileEnd() override {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  int append(std::string_view text) override {
    return with_file([&] { return append_whole(text); });
  }
  int sync() override {
    // EINVAL: a device or a pipe, which has no such thing.
    return with_file([&] { return ::fdatasync(descriptor_) == 0 || errno == EINVAL ? 0 : errno; });
  }

 private:
  template <class Act>
  int with_file(const Act& act) {
    if (descriptor_ < 0) {
      descriptor_ = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    }
    if (descriptor_ < 0) return errno;
    const int code = act();
    // A file server may have forgotten the descriptor.
    if (code != 0) ::close(std::exchange(descriptor_, -1));
    return code;
  }

  int append_whole(std::string_view text) const {
    struct stat before;
    if (::fstat(descriptor_, &before) != 0) return errno;
    const int code = write_whole(descriptor_, text);
    if (code == 0) return 0;
    // Half a text must not stay: the next try begins where the last whole one ended.
    [[maybe_unused]] const int cut = ::ftruncate(descriptor_, before.st_size);
    return code;
  }

  fs::path file_;
  int descriptor_ = -1;
};

Found::Kind kind_of(fs::file_type type) {
  switch (type) {
    case fs::file_type::none:
    case fs::file_type::not_found:
      return Found::Kind::nothing;
    case fs::file_type::regular:
      return Found::Kind::file;
    case fs::file_type::directory:
      return Found::Kind::folder;
    case fs::file_type::symlink:
      return Found::Kind::link;
    default:
      return Found::Kind::other;
  }
}

}  // namespace

std::string Disk::read_text(const fs::path& file) {
  const std::vector<std::byte> bytes = read(file);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Found SystemDisk::look(const fs::path& path, Links links) {
  std::error_code code;
  const fs::file_status status =
      links == Links::follow ? fs::status(path, code) : fs::symlink_status(path, code);
  Found found{.kind = kind_of(status.type())};
  if (found.kind == Found::Kind::link) found.target = fs::read_symlink(path, code);
  if (found.kind == Found::Kind::file) {
    const auto bytes = fs::file_size(path, code);
    if (code) return {};
    found.bytes = bytes;
  }
  return found;
}

void SystemDisk::check_reach(const fs::path& file) {
  if (::faccessat(AT_FDCWD, file.c_str(), R_OK, AT_EACCESS) == 0) return;
  const int code = errno;
  if (code == ENOENT || code == ENOTDIR || code == ELOOP || code == ENAMETOOLONG) return;
  throw Error(Fault::temporary, fmt::format("cannot be reached: {}", std::strerror(code)),
              file.string(), "Give the permission to read it, or wait for the file server.");
}

std::vector<fs::path> SystemDisk::list(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

fs::path SystemDisk::real(const fs::path& path) {
  std::error_code code;
  const fs::path out = fs::weakly_canonical(path, code);
  return code ? path : out;
}

std::vector<std::byte> SystemDisk::read(const fs::path& file) {
  return read_bytes(file);
}

void SystemDisk::write(const fs::path& file, std::span<const std::byte> bytes) {
  write_file(file, bytes);
}

void SystemDisk::sync(const fs::path& folder) {
  fsync_folder(folder);
}

void SystemDisk::replace(const fs::path& file, std::string_view text) {
  replace_file(file, text);
}

void SystemDisk::replace_link(const fs::path& link, const fs::path& target) {
  const fs::path temporary = temporary_beside(link);
  ::unlink(temporary.c_str());
  if (::symlink(target.c_str(), temporary.c_str()) != 0) throw_write_error(link, "link", errno);
  take_place(temporary, link);
}

std::unique_ptr<Appender> SystemDisk::appender(const fs::path& file) {
  return std::make_unique<FileEnd>(file);
}

void SystemDisk::make_folder(const fs::path& folder) {
  metaloom::make_folder(folder);
}

void SystemDisk::rename(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw_write_error(to, "rename to it", errno);
}

bool SystemDisk::exchange(const fs::path& a, const fs::path& b) {
  if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) return true;
  if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) return false;
  throw_write_error(b, "rename to it", errno);
}

void SystemDisk::remove(const fs::path& path) {
  remove_path(path);
}

void SystemDisk::remove_empty(const fs::path& folder) {
  const Found::Kind kind = look(folder, Links::stop).kind;
  std::error_code stays;
  if (kind == Found::Kind::folder || kind == Found::Kind::link) fs::remove(folder, stays);
}

}  // namespace metaloom
