// metrics.jsonl: one JSON object a line, one curve through any number of resumes. Only rank 0
// has one. Formats: docs/formats.md.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace metaloom {

class MetricsFile {
 public:
  /// Opens for appending after dropping what a run that resumes after update `step` is about to
  /// write again: lines of later steps, that step's scores; and any line that is none of ours (a
  /// half-written last one). Step 0 starts the file afresh. Throws Error where it cannot be read.
  MetricsFile(std::filesystem::path path, std::int64_t step);
  /// Appends one JSON object (text without line breaks) and flushes.
  /// Throws Error{temporary} when the disk refuses.
  void append(const std::string& json);

 private:
  std::filesystem::path path_;
  std::ofstream out_;
};

}  // namespace metaloom
