#include "core/files/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "core/error.h"
#include "core/files/errors.h"

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
  const int code = write_whole(fd, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return code != 0 || ::fsync(fd) == 0 ? code : errno;
}

// Opens a regular file for reading and gives its size.
int open_regular(const fs::path& path, std::size_t& size) {
  const int fd = open_file(path, O_RDONLY | O_NONBLOCK);
  if (fd < 0) throw_read_error(path, "open", errno);
  struct stat status;
  const int code = ::fstat(fd, &status) == 0 ? 0 : errno;
  if (code != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd);
    if (code != 0) throw_read_error(path, "look at it", code);
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
    if (got < 0) throw_read_error(path, "read", errno);
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

// What `path` leads to; not through the links of /proc, which are open descriptors.
fs::path behind_links(fs::path path) {
  constexpr int kMostLinks = 40;  // as the kernel follows
  std::error_code ignored;
  for (int links = 0; links < kMostLinks && !is_of_proc(path); ++links) {
    if (!fs::is_symlink(fs::symlink_status(path, ignored))) break;
    path = folder_of(path) / fs::read_symlink(path, ignored);
  }
  return path;
}

void write_through(const fs::path& path, std::string_view text) {
  const Descriptor fd(open_through(path));
  if (fd.get() < 0) throw_write_error(path, "open", errno);
  const int code = write_whole(fd.get(), text);
  if (code != 0) throw_write_error(path, "write", code, text.size());
}

}  // namespace

void write_file(const fs::path& path, std::span<const std::byte> bytes) {
  Descriptor fd(create_file(path));
  if (fd.get() < 0) throw_write_error(path, "create", errno);
  int code = write_all(fd.get(), bytes);
  if (fd.close() != 0 && code == 0) code = errno;
  if (code == 0) return;
  ::unlink(path.c_str());
  throw_write_error(path, "write", code, bytes.size());
}

void replace_file(const fs::path& path, std::string_view text) {
  const auto file = file_to_replace(path);
  if (!file) return write_through(path, text);
  const fs::path temporary = temporary_beside(*file);
  write_file(temporary, std::as_bytes(std::span(text)));
  take_place(temporary, *file);
}

void fsync_folder(const fs::path& folder) {
  const Descriptor fd(open_file(folder, O_RDONLY | O_DIRECTORY));
  if (fd.get() < 0) throw_write_error(folder, "open", errno);
  // EINVAL: a file system that has no such thing as syncing a folder.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) throw_write_error(folder, "fsync", errno);
}

void remove_path(const fs::path& path) {
  std::error_code code;
  fs::remove_all(path, code);
  if (code) throw_write_error(path, "remove", code.value());
}

void make_folder(const fs::path& folder) {
  std::error_code code;
  std::vector<fs::path> places{folder};  // up to the first that is there
  while (!fs::exists(places.back(), code) && places.back().has_parent_path()) {
    places.push_back(places.back().parent_path());
  }
  // One after the other, each synced before the next: a process that is killed in between leaves
  // only the deepest that is there without its sync, and the next one makes up for it.
  for (auto place = places.rbegin(); place != places.rend(); ++place) {
    fs::create_directories(*place, code);
    if (code) throw_write_error(folder, "make this folder", code.value());
    const fs::path around = folder_of(*place);
    // What may be written but not read cannot be synced.
    if (::access(around.c_str(), R_OK) == 0) fsync_folder(around);
  }
}

int write_whole(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno != EINTR) return errno;
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

fs::path temporary_beside(const fs::path& path) {
  return folder_of(path) / fmt::format(".{}.tmp-{}", path.filename().string(), ::gettid());
}

int create_file(const fs::path& path) {
  return open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
}

void take_place(const fs::path& temporary, const fs::path& path) {
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int code = errno;
    ::unlink(temporary.c_str());
    throw_write_error(path, "rename to it", code);
  }
  fsync_folder(folder_of(path));
}

std::optional<fs::path> file_to_replace(const fs::path& path) {
  fs::path file = behind_links(path);
  std::error_code ignored;
  const fs::file_status status = fs::status(file, ignored);
  const bool other =
      fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status);
  if (other || is_of_proc(file)) return std::nullopt;
  return file;
}

int open_through(const fs::path& path) {
  const fs::path place = behind_links(path);
  // An open descriptor, /proc/self/fd/1: opened again, its file would be written from its start.
  const std::string name = place.filename().string();
  if (is_of_proc(place) && !name.empty() && name.size() < 8 &&
      name.find_first_not_of("0123456789") == std::string::npos) {
    return ::fcntl(std::stoi(name), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  }
  return open_file(place, O_WRONLY);
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
  if (data == MAP_FAILED) throw_read_error(path, "map", errno);
  data_ = static_cast<const std::byte*>(data);
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

}  // namespace metaloom
