#include "core/clock.h"

#include <sched.h>

#include <chrono>

namespace metaloom {

namespace {

using Seconds = std::chrono::duration<double>;
using Steady = std::chrono::steady_clock;

}  // namespace

double SystemClock::now() {
  return Seconds(Steady::now().time_since_epoch()).count();
}

double SystemClock::wall() {
  return Seconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

void SystemClock::sleep(double seconds) {
  if (seconds > 0) {
    std::this_thread::sleep_for(Seconds(seconds));
  } else {
    ::sched_yield();
  }
}

bool SystemClock::wait(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                       double until, const std::function<bool()>& done) {
  if (until == kNever) {
    changed.wait(lock, done);
    return true;
  }
  const Steady::time_point end(std::chrono::duration_cast<Steady::duration>(Seconds(until)));
  return changed.wait_until(lock, end, done);
}

std::thread SystemClock::start(std::function<void()> work) {
  return std::thread(std::move(work));
}

}  // namespace metaloom
