#include "core/log/line_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "core/files/files.h"

namespace metaloom {
namespace {

/// 0, or errno of the write that failed; nothing of `text` is then left in the file.
int append_whole(int descriptor, std::string_view text) {
  struct stat before;
  if (::fstat(descriptor, &before) != 0) return errno;
  const int code = write_whole(descriptor, text);
  if (code == 0) return 0;
  // Half a line must not stay: the next try begins where the last whole one ended.
  [[maybe_unused]] const int cut = ::ftruncate(descriptor, before.st_size);
  return code;
}

}  // namespace

LineFile::~LineFile() {
  if (behind()) write();
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool LineFile::append(std::string_view lines) {
  waiting_ += lines;
  return write();
}

bool LineFile::write() {
  if (descriptor_ < 0) {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  }
  if (descriptor_ < 0) return false;
  const int code = append_whole(descriptor_, waiting_);
  if (code == 0) {
    waiting_.clear();
    return true;
  }
  ::close(std::exchange(descriptor_, -1));  // a file server may have forgotten it
  errno = code;
  return false;
}

}  // namespace metaloom
