// The one line that a person watches: what is done, loss, rates, time left. On a terminal it
// rewrites itself; in a log it appears every few seconds.
#pragma once

#include <cstdint>
#include <string>

#include "core/clock.h"

namespace metaloom {

/// A line on standard error, of one process of the world (`shown`).
class ProgressLine {
 public:
  ProgressLine(Clock& clock, bool shown);
  ~ProgressLine();

  /// Whether enough time has passed for another look.
  bool due() const;
  void show(const std::string& text);
  /// Ends the line, so that it stays; what is shown next begins another.
  void end();
  /// Takes a line off the terminal that has not ended; in a log nothing is taken back.
  void clear();

 private:
  Clock& clock_;
  bool shown_, terminal_, open_ = false;
  double last_;
};

/// Of training.
class Progress {
 public:
  /// `shown` on rank 0 only. Rates and ETA count from `first_step`.
  Progress(Clock& clock, std::string name, std::int64_t first_step, std::int64_t steps, bool shown);

  /// After update `step` (1-based count of updates made).
  void update(std::int64_t step, double loss, const std::string& metrics, std::int64_t tokens,
              std::int64_t tasks);
  /// Seconds that were spent on something else than updates: they count in no rate and no ETA.
  void leave_out(double seconds);
  double tokens_per_second() const { return tokens_rate_; }
  double tasks_per_second() const { return tasks_rate_; }

 private:
  Clock& clock_;
  std::string name_;
  std::int64_t first_step_, steps_;
  ProgressLine line_;
  double start_, last_update_;
  double tokens_rate_ = 0, tasks_rate_ = 0;
};

/// "1:02:03", "4:05".
std::string duration_text(double seconds);

}  // namespace metaloom
