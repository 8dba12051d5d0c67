#include "core/background.h"

#include <utility>

namespace metaloom {

Background::~Background() {
  try {
    wait();
  } catch (...) {  // nobody asked
  }
}

void Background::start(std::function<void()> work) {
  wait();
  ended_ = false;
  thread_ = clock_.start([this, work = std::move(work)] {
    std::exception_ptr error;
    try {
      work();
    } catch (...) {
      error = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    error_ = std::move(error);
    ended_ = true;
    changed_.notify_all();
  });
}

void Background::wait() {
  if (!thread_.joinable()) return;
  {
    std::unique_lock lock(mutex_);
    clock_.wait(lock, changed_, kNever, [this] { return ended_; });
  }
  thread_.join();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace metaloom
