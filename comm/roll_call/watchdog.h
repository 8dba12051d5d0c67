// The watchdog of a process: a thread that notices when the process sits in one section for longer
// than the section's deadline (stuck arithmetic, a lost file server), names it, and ends it.
// Nobody else can: the ranks that wait for this one only know that it is silent.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>

#include "core/background.h"
#include "core/clock.h"

namespace metaloom {

/// Seconds that this process has run since the stopwatch was made. Time in which it was stopped
/// (SIGSTOP, a suspended job) counts as one second at most, so that nobody is accused of it.
class RunningTime {
 public:
  explicit RunningTime(Clock& clock) : clock_(clock), last_(clock.now()) {}
  double seconds();
  /// Starts again.
  void restart();

 private:
  Clock& clock_;
  double last_;
  double seconds_ = 0;
};

class Watchdog {
 public:
  /// Called in the watchdog's thread, once. The stuck thread may hold any lock: no log in there,
  /// no lock of ours. Putting a line together is fine (glibc's heap has an arena for each thread).
  using Expired = std::function<void(const std::string& section, double seconds)>;

  /// `clock` outlives it.
  Watchdog(Clock& clock, Expired expired);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// From now on `section` may last `deadline` seconds; an empty one may last for ever.
  void watch(const std::string& section, double deadline);
  /// A sign of life: the present section starts again.
  void alive();

 private:
  void run();

  Clock& clock_;
  Expired expired_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string section_;
  double deadline_ = 0;
  RunningTime in_section_;
  bool woken_ = false, ended_ = false;
  Background thread_;  // last: it uses all of the above
};

}  // namespace metaloom
