// Work that another thread does beside this one, one piece at a time. Its thread and the waiting
// for it are its clock's, so that virtual time knows of both.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "core/clock.h"

namespace metaloom {

class Background {
 public:
  /// `clock` outlives it.
  explicit Background(Clock& clock) : clock_(clock) {}
  /// Waits for the work; what it throws is lost, so whoever cares has waited before.
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  /// Begins `work`, after the one before has ended: throws its error. Throws std::system_error
  /// where no thread can be had.
  void start(std::function<void()> work);
  /// Waits for the work's end, where there is any, and throws what it threw.
  void wait();

 private:
  Clock& clock_;
  std::mutex mutex_;  // guards the next three
  std::condition_variable changed_;
  bool ended_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace metaloom
