#include "core/files/errors.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "core/error.h"

namespace metaloom {

namespace {

namespace fs = std::filesystem;

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

}  // namespace

void throw_write_error(const fs::path& path, const char* action, int code, std::size_t wanted) {
  const std::string what = fmt::format("cannot {}: {}", action, std::strerror(code));
  switch (code) {
    case ENOSPC:
    case EDQUOT: {
      std::error_code ignored;
      const auto space = fs::space(path.has_parent_path() ? path.parent_path() : ".", ignored);
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

void throw_read_error(const fs::path& path, const char* action, int code) {
  const std::string what = fmt::format("cannot {}: {}", action, std::strerror(code));
  if (code == EMFILE) throw Error(Fault::temporary, what, path.string(), kMoreDescriptors);
  if (code == EIO || code == ESTALE || code == ENFILE || code == ENOMEM) {
    throw Error(Fault::temporary, what, path.string(),
                "The machine or file server failed: try again.");
  }
  throw Error(Fault::data, what, path.string(), "Check the path and its permissions.");
}

}  // namespace metaloom
