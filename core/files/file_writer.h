// A file written piece by piece, wholly there in the end or not at all: what was at its place stays
// until `finish`. A device or a pipe has no such end and is written as it is. A name that ends in
// .gz is packed by gzip. Every failure is an Error that names the path and the cure.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace metaloom {

class FileWriter {
 public:
  explicit FileWriter(const std::filesystem::path& path);
  /// Unfinished, it leaves nothing behind.
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;

  void write(std::string_view bytes);
  /// Hands on what was written so far, for those who read a device or a pipe.
  void flush();
  /// The end: the file is at its place, and on the disk.
  void finish();

 private:
  struct Packer;
  void pack(std::string_view bytes, bool last);
  void send();
  [[noreturn]] void fail(const char* action, int code);

  std::filesystem::path path_, temporary_;  // no temporary: written as it is
  int descriptor_ = -1;
  std::string waiting_;
  std::unique_ptr<Packer> packer_;  // of a .gz
};

}  // namespace metaloom
