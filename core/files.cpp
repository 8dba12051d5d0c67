#include "core/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace metaloom {

namespace {

namespace fs = std::filesystem;

// A descriptor closed at the end of its scope; close() reports what fsync did not.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

constexpr const char* kMoreDescriptors =
    "Raise the limit on open files with ulimit -n, and start again.";

std::string file_size_limit() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return "more than the file system takes";
  }
  return fmt::format("{} bytes allowed by ulimit -f", limit.rlim_cur);
}

std::string wanted_bytes(std::size_t count) {
  return count == 0 ? "" : fmt::format("{} bytes wanted, ", count);
}

[[noreturn]] void fail_to_write(const fs::path& path, const char* action, int code,
                                std::size_t wanted = 0) {
  const std::string what = fmt::format("cannot {}: {}", action, std::strerror(code));
  switch (code) {
    case ENOSPC:
    case EDQUOT: {
      std::error_code ignored;
      const auto space = fs::space(folder_of(path), ignored);
      const auto free = ignored ? 0 : space.available;
      throw Error(Fault::temporary,
                  fmt::format("{} ({}{} bytes free)", what, wanted_bytes(wanted), free),
                  path.string(), "Free some space, or move the run to another disk.");
    }
    case EFBIG:
      throw Error(Fault::temporary,
                  fmt::format("{} ({}{})", what, wanted_bytes(wanted), file_size_limit()),
                  path.string(), "Raise the limit with ulimit -f unlimited, and start again.");
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
    case ELOOP:
      throw Error(Fault::usage, what, path.string(),
                  "Name a folder that exists and that you may write to.");
    case EMFILE:
      throw Error(Fault::temporary, what, path.string(), kMoreDescriptors);
    default:
      throw Error(Fault::temporary, what, path.string(),
                  "The disk or file server failed: try again, or use another one.");
  }
}

[[noreturn]] void fail_to_read(const fs::path& path, const char* action, int code) {
  const std::string what = fmt::format("cannot {}: {}", action, std::strerror(code));
  if (code == EMFILE) throw Error(Fault::temporary, what, path.string(), kMoreDescriptors);
  if (code == EIO || code == ESTALE || code == ENFILE || code == ENOMEM) {
    throw Error(Fault::temporary, what, path.string(),
                "The machine or file server failed: try again.");
  }
  throw Error(Fault::data, what, path.string(), "Check the path and its permissions.");
}

int open_file(const fs::path& path, int flags) {
  int fd;
  do fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  while (fd < 0 && errno == EINTR);
  return fd;
}

// errno of the first step that fails, 0 if none did.
int write_all(int fd, std::span<const std::byte> bytes) {
  // Reserving first makes a full disk show before anything is written.
  while (!bytes.empty() && ::fallocate(fd, 0, 0, static_cast<off_t>(bytes.size())) != 0) {
    if (errno == EOPNOTSUPP || errno == ENOSYS || errno == ENODEV) break;
    if (errno != EINTR) return errno;
  }
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) return errno;
    if (written > 0) bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return ::fsync(fd) == 0 ? 0 : errno;
}

fs::path beside(const fs::path& path) {
  return folder_of(path) / fmt::format(".{}.tmp-{}", path.filename().string(), ::gettid());
}

void rename_over(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return;
  const int code = errno;
  ::unlink(from.c_str());
  fail_to_write(to, "rename to it", code);
}

// Opens a regular file for reading and gives its size.
int open_regular(const fs::path& path, std::size_t& size) {
  const int fd = open_file(path, O_RDONLY | O_NONBLOCK);
  if (fd < 0) fail_to_read(path, "open", errno);
  struct stat status;
  const int code = ::fstat(fd, &status) == 0 ? 0 : errno;
  if (code != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd);
    if (code != 0) fail_to_read(path, "look at it", code);
    throw Error(Fault::data, "not a regular file", path.string(), "Name a file.");
  }
  size = static_cast<std::size_t>(status.st_size);
  return fd;
}

// Reads until the end of the file, which may have moved since its size was asked.
template <class Buffer>
Buffer read_all(const fs::path& path) {
  std::size_t size = 0;
  const Descriptor fd(open_regular(path, size));
  Buffer out;
  std::size_t done = 0;
  out.resize(size + 1);
  for (;;) {
    const ssize_t got = ::read(fd.get(), out.data() + done, out.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_to_read(path, "read", errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
    if (done == out.size()) out.resize(2 * out.size());
  }
  out.resize(done);
  return out;
}

bool is_of_proc(const fs::path& path) {
  std::error_code ignored;
  return fs::weakly_canonical(folder_of(path), ignored).string().starts_with("/proc/");
}

void write_through(const fs::path& path, std::string_view text) {
  const Descriptor fd(open_through(path));
  if (fd.get() < 0) fail_to_write(path, "open", errno);
  for (std::string_view left = text; !left.empty();) {
    const ssize_t written = ::write(fd.get(), left.data(), left.size());
    if (written < 0 && errno != EINTR) fail_to_write(path, "write", errno, text.size());
    if (written > 0) left.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

void write_file(const fs::path& path, std::span<const std::byte> bytes) {
  Descriptor fd(open_file(path, O_WRONLY | O_CREAT | O_TRUNC));
  if (fd.get() < 0) fail_to_write(path, "create", errno);
  int code = write_all(fd.get(), bytes);
  if (fd.close() != 0 && code == 0) code = errno;
  if (code == 0) return;
  ::unlink(path.c_str());
  fail_to_write(path, "write", code, bytes.size());
}

void replace_file(const fs::path& path, std::string_view text) {
  const auto file = file_to_replace(path);
  if (!file) return write_through(path, text);
  const fs::path temporary = beside(*file);
  write_file(temporary, std::as_bytes(std::span(text)));
  rename_over(temporary, *file);
  fsync_folder(folder_of(*file));
}

void fsync_folder(const fs::path& folder) {
  const Descriptor fd(open_file(folder, O_RDONLY | O_DIRECTORY));
  if (fd.get() < 0) fail_to_write(folder, "open", errno);
  // EINVAL: a file system that has no such thing as syncing a folder.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) fail_to_write(folder, "fsync", errno);
}

void rename_path(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail_to_write(to, "rename to it", errno);
}

bool exchange_paths(const fs::path& a, const fs::path& b) {
  if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) return true;
  if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) return false;
  fail_to_write(b, "rename to it", errno);
}

void remove_path(const fs::path& path) {
  std::error_code code;
  fs::remove_all(path, code);
  if (code) fail_to_write(path, "remove", code.value());
}

void make_folder(const fs::path& folder) {
  std::error_code code;
  fs::create_directories(folder, code);
  if (code) fail_to_write(folder, "make this folder", code.value());
}

void replace_link(const fs::path& link, const fs::path& target) {
  const fs::path temporary = beside(link);
  ::unlink(temporary.c_str());
  if (::symlink(target.c_str(), temporary.c_str()) != 0) fail_to_write(link, "link", errno);
  rename_over(temporary, link);
  fsync_folder(folder_of(link));
}

std::optional<fs::path> file_to_replace(fs::path path) {
  constexpr int kMostLinks = 40;  // as the kernel follows
  std::error_code ignored;
  for (int links = 0; links < kMostLinks; ++links) {
    if (is_of_proc(path)) return std::nullopt;
    if (!fs::is_symlink(fs::symlink_status(path, ignored))) break;
    path = folder_of(path) / fs::read_symlink(path, ignored);
  }
  const fs::file_status status = fs::status(path, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status)) {
    return std::nullopt;
  }
  return path;
}

int open_through(fs::path path) {
  std::error_code ignored;
  while (!is_of_proc(path) && fs::is_symlink(fs::symlink_status(path, ignored))) {
    path = folder_of(path) / fs::read_symlink(path, ignored);
  }
  // An open descriptor, /proc/self/fd/1: opened again, its file would be written from its start.
  const std::string name = path.filename().string();
  if (is_of_proc(path) && !name.empty() && name.size() < 8 &&
      name.find_first_not_of("0123456789") == std::string::npos) {
    return ::fcntl(std::stoi(name), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  }
  return open_file(path, O_WRONLY);
}

void throw_write_error(const fs::path& path, const char* action, int code) {
  fail_to_write(path, action, code);
}

std::vector<std::byte> read_bytes(const fs::path& path) {
  return read_all<std::vector<std::byte>>(path);
}

std::string read_text(const fs::path& path) {
  return read_all<std::string>(path);
}

Mapping::Mapping(const fs::path& path) {
  const Descriptor fd(open_regular(path, size_));
  if (size_ == 0) return;
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) fail_to_read(path, "map", errno);
  data_ = static_cast<const std::byte*>(data);
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

}  // namespace metaloom
