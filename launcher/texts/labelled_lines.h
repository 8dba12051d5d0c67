// What predict writes: the user's records, byte for byte but for the label and its probability.
#pragma once

#include <memory>
#include <string>

#include "core/files/file_writer.h"
#include "launcher/texts/row_stream.h"

namespace metaloom {

class LabelledLines {
 public:
  /// `out`: a file, which appears once finish() is called; empty or "-": standard output.
  explicit LabelledLines(const std::string& out);

  /// Before the first row: what stands above it, and how fields are told apart.
  void begin(const RowStream& rows);
  void write(const UserRow& row, const std::string& label, double probability);
  /// Hands on what was written, for those who read along.
  void flush();
  void finish();

 private:
  void put(const std::string& bytes);
  std::string spelled(const std::string& label) const;

  std::unique_ptr<FileWriter> file_;  // none: standard output
  char separator_ = '\0';
  bool quoted_ = false, begun_ = false;
};

}  // namespace metaloom
