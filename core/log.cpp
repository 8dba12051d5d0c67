#include "core/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "core/error.h"

namespace metaloom {

namespace {

// The logger's name carries the rank, so that nothing else has to remember it.
constexpr const char* kFirstRank = "rank 0";

void install(const std::string& name, std::vector<spdlog::sink_ptr> sinks) {
  auto logger = std::make_shared<spdlog::logger>(name, sinks.begin(), sinks.end());
  logger->set_level(name == kFirstRank ? spdlog::level::info : spdlog::level::warn);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

spdlog::sink_ptr stderr_sink() {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  sink->set_pattern("%H:%M:%S %n %l: %v");
  return sink;
}

}  // namespace

void start_log(int rank, int world) {
  if (rank < 0 || rank >= world) {
    throw Error(Fault::internal, "rank " + std::to_string(rank) + " of " + std::to_string(world));
  }
  install("rank " + std::to_string(rank), {stderr_sink()});
}

void log_to_file(const std::filesystem::path& file) {
  const std::string name = spdlog::default_logger()->name();
  if (!name.empty() && name != kFirstRank) return;
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string());
    sink->set_pattern("%Y-%m-%d %H:%M:%S %n %l: %v");
    install(kFirstRank, {stderr_sink(), std::move(sink)});
  } catch (const spdlog::spdlog_ex& error) {
    throw Error(Fault::temporary, std::string("cannot write the log: ") + error.what(),
                file.string(), "Check the folder's permissions and free space.");
  }
}

}  // namespace metaloom
