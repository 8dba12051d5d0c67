#include "worker/report/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>

#include "core/log/log.h"

namespace metaloom {
namespace {

constexpr double kSecondsBetweenLogLines = 10;
constexpr double kSecondsBetweenRedraws = 0.2;
constexpr double kSmoothing = 0.1;  // weight of the newest update in the rates

}  // namespace

std::string duration_text(double seconds) {
  const std::int64_t all = std::llround(seconds);
  if (all >= 3600) return fmt::format("{}:{:02}:{:02}", all / 3600, all / 60 % 60, all % 60);
  return fmt::format("{}:{:02}", all / 60, all % 60);
}

ProgressLine::ProgressLine(Clock& clock, bool shown)
    : clock_(clock), shown_(shown), terminal_(isatty(STDERR_FILENO) != 0), last_(clock.now()) {}

ProgressLine::~ProgressLine() {
  end();
}

bool ProgressLine::due() const {
  return shown_ &&
         clock_.now() - last_ >= (terminal_ ? kSecondsBetweenRedraws : kSecondsBetweenLogLines);
}

void ProgressLine::show(const std::string& text) {
  if (!shown_) return;
  last_ = clock_.now();
  open_ = terminal_;
  if (terminal_) {
    say(fmt::format("\r{}\033[K", text));
  } else {
    say(text + '\n');
  }
}

void ProgressLine::end() {
  if (open_) say("\n");
  open_ = false;
}

void ProgressLine::clear() {
  if (open_) say("\r\033[K");
  open_ = false;
}

Progress::Progress(Clock& clock, std::string name, std::int64_t first_step, std::int64_t steps,
                   bool shown)
    : clock_(clock),
      name_(std::move(name)),
      first_step_(first_step),
      steps_(steps),
      line_(clock, shown),
      start_(clock.now()),
      last_update_(start_) {}

void Progress::leave_out(double seconds) {
  start_ += seconds;
  last_update_ += seconds;
}

void Progress::update(std::int64_t step, double loss, const std::string& metrics,
                      std::int64_t tokens, std::int64_t tasks) {
  const double now = clock_.now();
  const double took = std::max(1e-9, now - last_update_);
  const bool first = last_update_ == start_;
  last_update_ = now;
  const double smoothing = first ? 1 : kSmoothing;
  tokens_rate_ += smoothing * (static_cast<double>(tokens) / took - tokens_rate_);
  tasks_rate_ += smoothing * (static_cast<double>(tasks) / took - tasks_rate_);
  if (step != steps_ && step != first_step_ + 1 && !line_.due()) return;
  const double each = (now - start_) / static_cast<double>(step - first_step_);
  line_.show(fmt::format("{}  {}/{}  loss {:.4f}{}  {:.0f} tokens/s  {:.1f} tasks/s  ETA {}", name_,
                         step, steps_, loss, metrics, tokens_rate_, tasks_rate_,
                         duration_text(each * static_cast<double>(steps_ - step))));
  if (step == steps_) line_.end();
}

}  // namespace metaloom
