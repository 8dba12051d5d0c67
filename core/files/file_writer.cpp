#include "core/files/file_writer.h"

#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <utility>

#include "core/error.h"
#include "core/files/errors.h"
#include "core/files/files.h"

namespace metaloom {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = std::size_t{1} << 16;
constexpr int kGzip = 15 + 16;  // zlib's largest window, and gzip's frame around it

}  // namespace

struct FileWriter::Packer {
  z_stream stream = {};
  Packer() {
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
      throw Error(Fault::internal, "zlib does not start");
    }
  }
  ~Packer() { deflateEnd(&stream); }
  Packer(const Packer&) = delete;
};

FileWriter::FileWriter(const fs::path& path) : path_(path) {
  if (const auto file = file_to_replace(path)) {
    path_ = *file;
    temporary_ = temporary_beside(path_);
    descriptor_ = create_file(temporary_);
  } else {
    descriptor_ = open_through(path);
  }
  if (descriptor_ < 0) throw_write_error(path, "create", errno);
  if (path.extension() == ".gz") packer_ = std::make_unique<Packer>();
}

FileWriter::~FileWriter() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void FileWriter::write(std::string_view bytes) {
  if (packer_) {
    pack(bytes, false);
  } else {
    waiting_ += bytes;
  }
  if (waiting_.size() >= kBlock) send();
}

void FileWriter::flush() {
  if (temporary_.empty()) send();  // nobody reads a file that is not there yet
}

void FileWriter::finish() {
  if (packer_) pack({}, true);
  send();
  if (!temporary_.empty() && ::fsync(descriptor_) != 0) fail("write", errno);
  if (::close(std::exchange(descriptor_, -1)) != 0) fail("write", errno);
  if (!temporary_.empty()) take_place(temporary_, path_);
}

/// As gzip, into `waiting_`.
void FileWriter::pack(std::string_view bytes, bool last) {
  z_stream& stream = packer_->stream;
  std::string given(bytes);  // zlib's pointer is not to const
  stream.next_in = reinterpret_cast<Bytef*>(given.data());
  stream.avail_in = static_cast<uInt>(given.size());
  for (bool more = true; more;) {
    const std::size_t before = waiting_.size();
    waiting_.resize(before + kBlock);
    stream.next_out = reinterpret_cast<Bytef*>(waiting_.data() + before);
    stream.avail_out = kBlock;
    const int result = deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH);
    if (result == Z_STREAM_ERROR) throw Error(Fault::internal, "zlib cannot pack", path_.string());
    waiting_.resize(before + kBlock - stream.avail_out);
    more = stream.avail_out == 0;
  }
}

void FileWriter::send() {
  if (const int code = write_whole(descriptor_, waiting_); code != 0) fail("write", code);
  waiting_.clear();
}

void FileWriter::fail(const char* action, int code) {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  throw_write_error(path_, action, code);
}

}  // namespace metaloom
