#include "comm/watchdog.h"

#include <algorithm>

namespace metaloom {

namespace {

constexpr double kLongestLap = 1.0;  // seconds between two looks at the clock, when running

}  // namespace

double RunningTime::seconds() {
  const auto now = std::chrono::steady_clock::now();
  const std::chrono::duration<double> lap = now - last_;
  last_ = now;
  return seconds_ += std::min(lap.count(), kLongestLap);
}

Watchdog::Watchdog(Expired expired) : expired_(std::move(expired)), thread_([this] { run(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watchdog::watch(const std::string& section, double deadline) {
  const std::lock_guard lock(mutex_);
  // The thread sleeps without a section; with one it wakes often enough by itself.
  const bool wake = section_.empty() != section.empty() || deadline < deadline_;
  section_ = section;
  deadline_ = deadline;
  in_section_ = RunningTime();
  if (wake) changed_.notify_all();
}

void Watchdog::alive() {
  const std::lock_guard lock(mutex_);
  in_section_ = RunningTime();
}

void Watchdog::run() {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    if (section_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const double left = deadline_ - in_section_.seconds();
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
    changed_.wait_for(lock, std::chrono::duration<double>(std::min(left, kLongestLap / 2)));
  }
}

}  // namespace metaloom
