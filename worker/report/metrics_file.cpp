#include "worker/report/metrics_file.h"

#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "core/json.h"
#include "core/log/log.h"

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

MetricsFile::MetricsFile(Disk& disk, const std::filesystem::path& path, std::int64_t step)
    : file_(disk, path) {
  disk.check_reach(path);  // what cannot be reached is not a curve that has not begun
  const bool goes_on = step > 0 && disk.look(path);
  disk.replace(path, goes_on ? kept_of(disk.read_text(path), step) : "");
  if (!file_.append("")) {
    throw Error(Fault::data, "cannot write the metrics", path.string(),
                "Check that the run's folder is writable.");
  }
}

MetricsFile::~MetricsFile() {
  if (file_.behind() && !file_.append("")) {
    spdlog::error("{} lacks the last lines", file_.path().string());
  }
}

void MetricsFile::append(const std::string& json) {
  const bool refused_before = file_.behind();
  if (!file_.append(json + '\n') && !refused_before) {
    spdlog::warn("{} cannot be written ({}): lines wait until it can. Free some space.",
                 file_.path().string(), std::strerror(errno));
  }
}

void MetricsFile::sync() {
  if (file_.sync() || file_.behind()) return;  // of lines that wait is told already
  spdlog::warn("{} cannot be brought to the disk ({}): a crash of the machine may take lines of it",
               file_.path().string(), std::strerror(errno));
}

}  // namespace metaloom
