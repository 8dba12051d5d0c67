#include "core/log/line_file.h"

#include <cerrno>

namespace metaloom {

LineFile::~LineFile() {
  if (behind()) write();
}

bool LineFile::append(std::string_view lines) {
  waiting_ += lines;
  return write();
}

bool LineFile::sync() {
  if (behind() && !write()) return false;
  const int code = end_->sync();
  if (code != 0) errno = code;
  return code == 0;
}

bool LineFile::write() {
  const int code = end_->append(waiting_);
  if (code == 0) {
    waiting_.clear();
    return true;
  }
  errno = code;
  return false;
}

}  // namespace metaloom
