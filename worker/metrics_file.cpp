#include "worker/metrics_file.h"

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/log.h"

namespace metaloom {
namespace {

/// Whether a run that resumes after update `step` will not write this line again.
bool stays(const std::string& line, std::int64_t step) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number()) return false;
  const double own = json["step"].get<double>();
  const bool score = json.contains("kind") && json["kind"] == "evaluation";
  // The scores of the end are written again when the run ends again.
  const bool final = json.contains("final") && json["final"] == true;
  return !final && own <= static_cast<double>(step) && !(score && own == static_cast<double>(step));
}

std::string kept_of(const std::string& text, std::int64_t step) {
  std::string kept;
  for (std::size_t begin = 0, end = 0; begin < text.size(); begin = end + 1) {
    end = text.find('\n', begin);
    if (end == std::string::npos) break;  // the process died while writing it
    const std::string line = text.substr(begin, end - begin);
    if (stays(line, step)) kept += line + '\n';
  }
  return kept;
}

}  // namespace

MetricsFile::MetricsFile(std::filesystem::path path, std::int64_t step) : path_(std::move(path)) {
  std::error_code code;
  const auto status = std::filesystem::status(path_, code);
  if (status.type() != std::filesystem::file_type::not_found) {
    replace_file(path_, step == 0 ? "" : kept_of(read_text(path_), step));
  }
  out_.open(path_, std::ios::app);
  size_ = std::filesystem::file_size(path_, code);
  if (!out_ || code) {
    throw Error(Fault::data, "cannot write the metrics", path_.string(),
                "Check that the run's folder is writable.");
  }
}

MetricsFile::~MetricsFile() {
  if (!waiting_.empty() && !write()) spdlog::error("{} lacks the last lines", path_.string());
}

void MetricsFile::append(const std::string& json) {
  const bool refused_before = !waiting_.empty();
  waiting_ += json + '\n';
  if (!write() && !refused_before) {
    spdlog::warn("{} cannot be written: lines wait until it can. Free some space.", path_.string());
  }
}

bool MetricsFile::write() {
  out_ << waiting_;
  out_.flush();
  if (out_) {
    size_ += waiting_.size();
    waiting_.clear();
    return true;
  }
  // Half a line must not stay: the next try begins where the last whole one ended.
  out_.close();
  out_.clear();
  std::error_code ignored;
  std::filesystem::resize_file(path_, size_, ignored);
  out_.open(path_, std::ios::app);
  return false;
}

}  // namespace metaloom
