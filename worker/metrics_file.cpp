#include "worker/metrics_file.h"

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"

namespace metaloom {

MetricsFile::MetricsFile(std::filesystem::path path, std::int64_t step) : path_(std::move(path)) {
  if (std::filesystem::exists(path_)) {
    std::string kept;
    std::ifstream in(path_);
    for (std::string line; std::getline(in, line);) {
      if (in.eof()) break;  // no line end: the process died while writing it
      const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (json.is_discarded() || json.value("step", std::int64_t{0}) > step) continue;
      if (json.value("final", false)) continue;  // written again when the run ends again
      kept += line + "\n";
    }
    replace_file(path_, kept);
  }
  out_.open(path_, std::ios::app);
  if (!out_) {
    throw Error(Fault::data, "cannot write the metrics", path_.string(),
                "Check that the run's folder is writable.");
  }
}

void MetricsFile::append(const std::string& json) {
  out_ << json << '\n';
  out_.flush();
  if (!out_) {
    throw Error(Fault::temporary, "writing the metrics failed", path_.string(),
                "Free some space and start the run again: it resumes from its last checkpoint.");
  }
}

}  // namespace metaloom
