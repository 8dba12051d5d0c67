// metrics.jsonl: one JSON object a line, one curve through any number of resumes. Only rank 0
// has one. Formats: docs/formats.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "core/log/line_file.h"

namespace metaloom {

class MetricsFile {
 public:
  /// Opens for appending after dropping what a run that resumes after update `step` is about to
  /// write again: lines of later steps, that step's scores; and any line that is none of ours (a
  /// half-written last one). Step 0 starts the file afresh. Its name is on the disk then. Throws
  /// Error where it cannot be read. `disk` outlives it.
  MetricsFile(Disk& disk, const std::filesystem::path& path, std::int64_t step);
  ~MetricsFile();  // tries a last time to write what was refused; logs a failure
  /// Appends one JSON object (text without line breaks). What the disk refuses for the moment is
  /// kept and tried again with the next line: whether a full disk ends the run is for the
  /// checkpoints to say.
  void append(const std::string& json);
  /// Brings what was appended to the disk, before something is saved that must not outrun it. That
  /// the disk refuses is logged, and no more, as by `append`.
  void sync();

 private:
  LineFile file_;
};

}  // namespace metaloom
