// metrics.jsonl: one JSON object a line, one curve through any number of resumes. Only rank 0
// has one. Formats: docs/formats.md.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace metaloom {

class MetricsFile {
 public:
  /// Opens for appending after dropping every line of a later step than `step` (which a resumed run
  /// is about to write again) and a half-written last line.
  MetricsFile(std::filesystem::path path, std::int64_t step);
  /// Appends one JSON object (text without line breaks) and flushes.
  /// Throws Error{temporary} when the disk refuses.
  void append(const std::string& json);

 private:
  std::filesystem::path path_;
  std::ofstream out_;
};

}  // namespace metaloom
