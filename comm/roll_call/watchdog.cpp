#include "comm/roll_call/watchdog.h"

#include <algorithm>

namespace metaloom {

namespace {

constexpr double kLongestLap = 1.0;  // seconds between two looks at the clock, when running

}  // namespace

double RunningTime::seconds() {
  const double now = clock_.now();
  const double lap = now - last_;
  last_ = now;
  return seconds_ += std::min(lap, kLongestLap);
}

void RunningTime::restart() {
  last_ = clock_.now();
  seconds_ = 0;
}

Watchdog::Watchdog(Clock& clock, Expired expired)
    : clock_(clock), expired_(std::move(expired)), in_section_(clock), thread_(clock) {
  thread_.start([this] { run(); });
}

Watchdog::~Watchdog() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void Watchdog::watch(const std::string& section, double deadline) {
  const std::lock_guard lock(mutex_);
  // The thread sleeps without a section; with one it wakes often enough by itself.
  const bool wake = section_.empty() != section.empty() || deadline < deadline_;
  section_ = section;
  deadline_ = deadline;
  in_section_.restart();
  if (!wake) return;
  woken_ = true;
  changed_.notify_all();
}

void Watchdog::alive() {
  const std::lock_guard lock(mutex_);
  in_section_.restart();
}

void Watchdog::run() {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    const double left = section_.empty() ? kNever : deadline_ - in_section_.seconds();
    if (left <= 0) {
      const std::string section = section_;
      const double deadline = deadline_;
      section_.clear();
      lock.unlock();
      expired_(section, deadline);
      lock.lock();
      continue;
    }
    // Looks at the clock twice a lap, or a stopped process could not be told from a stuck one.
    const double until = section_.empty() ? kNever : clock_.now() + std::min(left, kLongestLap / 2);
    woken_ = false;
    clock_.wait(lock, changed_, until, [this] { return woken_ || ended_; });
  }
}

}  // namespace metaloom
