// Seam: time. Whoever asks for it, waits, or has another thread work beside does so through a Clock
// that it was given, so that tests can replace it: ranks then live in virtual time and take turns
// in an order that a seed chooses (tests/core/virtual_time.h). Threads belong to it because who
// moves time on must know for whom it passes. Used by any number of threads at once.
#pragma once

#include <condition_variable>
#include <functional>
#include <limits>
#include <mutex>
#include <thread>

namespace metaloom {

/// A moment that never comes.
inline constexpr double kNever = std::numeric_limits<double>::infinity();

class Clock {
 public:
  virtual ~Clock() = default;
  /// Seconds since some moment of the past; never goes back.
  virtual double now() = 0;
  /// Seconds since 1970, as the host has it: it may be set at any time.
  virtual double wall() = 0;
  /// Waits that many seconds; 0 only lets others go first.
  virtual void sleep(double seconds) = 0;
  /// Waits until `done()`, or until now() is `until`; returns which: whether it is done. `lock`
  /// guards what `done` reads and is open meanwhile; who changes any of that notifies `changed`.
  virtual bool wait(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                    double until, const std::function<bool()>& done) = 0;
  /// A thread that does `work`. It must be known to be at its end before it is joined, as
  /// Background (core/background.h) knows: join does not wait by this clock.
  virtual std::thread start(std::function<void()> work) = 0;
};

/// The clocks and threads of this machine. The only place that knows std::chrono's clocks.
class SystemClock final : public Clock {
 public:
  double now() override;
  double wall() override;
  void sleep(double seconds) override;
  bool wait(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, double until,
            const std::function<bool()>& done) override;
  std::thread start(std::function<void()> work) override;
};

}  // namespace metaloom
