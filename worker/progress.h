// The one line that a person watches: step, loss, rates, time left. On a terminal it rewrites
// itself; in a log it appears every few seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace metaloom {

class Progress {
 public:
  /// `shown` on rank 0 only. Rates and ETA count from `first_step`.
  Progress(std::string name, std::int64_t first_step, std::int64_t steps, bool shown);
  ~Progress();

  /// After update `step` (1-based count of updates made).
  void update(std::int64_t step, double loss, const std::string& metrics, std::int64_t tokens,
              std::int64_t tasks);
  /// Time that was spent on something else than updates: it counts in no rate and no ETA.
  void leave_out(std::chrono::steady_clock::duration time);
  double tokens_per_second() const { return tokens_rate_; }
  double tasks_per_second() const { return tasks_rate_; }

 private:
  using Clock = std::chrono::steady_clock;
  std::string name_;
  std::int64_t first_step_, steps_;
  bool shown_, terminal_, open_line_ = false;
  Clock::time_point start_, last_update_, last_print_;
  double tokens_rate_ = 0, tasks_rate_ = 0;
};

/// "1:02:03", "4:05".
std::string duration_text(double seconds);

}  // namespace metaloom
