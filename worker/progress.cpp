#include "worker/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace metaloom {
namespace {

constexpr double kSecondsBetweenLogLines = 10;
constexpr double kSecondsBetweenRedraws = 0.2;
constexpr double kSmoothing = 0.1;  // weight of the newest update in the rates

double seconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

std::string duration_text(double seconds) {
  const auto all = static_cast<std::int64_t>(seconds + 0.5);
  if (all >= 3600) return fmt::format("{}:{:02}:{:02}", all / 3600, all / 60 % 60, all % 60);
  return fmt::format("{}:{:02}", all / 60, all % 60);
}

Progress::Progress(std::string name, std::int64_t first_step, std::int64_t steps, bool shown)
    : name_(std::move(name)),
      first_step_(first_step),
      steps_(steps),
      shown_(shown),
      terminal_(isatty(fileno(stderr)) != 0),
      start_(Clock::now()),
      last_update_(start_),
      last_print_() {}

Progress::~Progress() {
  if (open_line_) std::fputc('\n', stderr);
}

void Progress::leave_out(Clock::duration time) {
  start_ += time;
  last_update_ += time;
}

void Progress::update(std::int64_t step, double loss, const std::string& metrics,
                      std::int64_t tokens, std::int64_t tasks) {
  const auto now = Clock::now();
  const double took = std::max(1e-9, seconds(now - last_update_));
  const bool first = last_update_ == start_;
  last_update_ = now;
  const double smoothing = first ? 1 : kSmoothing;
  tokens_rate_ += smoothing * (static_cast<double>(tokens) / took - tokens_rate_);
  tasks_rate_ += smoothing * (static_cast<double>(tasks) / took - tasks_rate_);
  if (!shown_) return;
  const double wait = terminal_ ? kSecondsBetweenRedraws : kSecondsBetweenLogLines;
  if (step != steps_ && seconds(now - last_print_) < wait) return;
  last_print_ = now;
  const double each = seconds(now - start_) / static_cast<double>(step - first_step_);
  const std::string line =
      fmt::format("{}  {}/{}  loss {:.4f}{}  {:.0f} tokens/s  {:.1f} tasks/s  ETA {}", name_, step,
                  steps_, loss, metrics, tokens_rate_, tasks_rate_,
                  duration_text(each * static_cast<double>(steps_ - step)));
  if (terminal_) {
    fmt::print(stderr, "\r{}\033[K", line);
    open_line_ = step != steps_;
    if (!open_line_) std::fputc('\n', stderr);
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
}

}  // namespace metaloom
