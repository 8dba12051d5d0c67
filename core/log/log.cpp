#include "core/log/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "core/error.h"
#include "core/files/files.h"
#include "core/log/line_file.h"

namespace metaloom {

namespace {

// The logger's name carries the rank, so that nothing else has to remember it.
constexpr const char* kFirstRank = "rank 0";

class FileSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  FileSink(Disk& disk, const std::filesystem::path& file) : file_(disk, file) { append(""); }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    append({line.data(), line.size()});
  }
  void flush_() override {}
  void append(std::string_view lines) {
    if (file_.append(lines)) {
      told_ = false;
    } else if (!std::exchange(told_, true)) {
      say(fmt::format("{} warning: {} cannot be written: {}. Its lines wait until it can.\n",
                      kFirstRank, file_.path().string(), std::strerror(errno)));
    }
  }

  LineFile file_;
  bool told_ = false;
};

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

void log_to_file(Disk& disk, const std::filesystem::path& file) {
  const std::string name = spdlog::default_logger()->name();
  if (!name.empty() && name != kFirstRank) return;
  auto sink = std::make_shared<FileSink>(disk, file);
  sink->set_pattern("%Y-%m-%d %H:%M:%S %n %l: %v");
  install(kFirstRank, {stderr_sink(), std::move(sink)});
}

void say(std::string_view text) {
  write_whole(STDERR_FILENO, text);
}

}  // namespace metaloom
