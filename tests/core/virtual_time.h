// Time that passes only when every thread waits, for threads that take turns in an order that a
// seed chooses: hours of waiting take no time, and the same seed runs the same way again.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/log/log.h"

namespace metaloom {

class VirtualTime final : public Clock {
 public:
  explicit VirtualTime(std::uint64_t seed = 0) : random_(seed) {}

  /// Real time without another turn after which the program ends, saying who has it.
  std::chrono::milliseconds stand_still_after = std::chrono::minutes(1);

  /// Runs `work`, and all threads that it starts, in turns; throws what it throws.
  void run(std::function<void()> work) {
    std::exception_ptr error;
    start([&] {
      try {
        work();
      } catch (...) {
        error = std::current_exception();
      }
    }).join();
    if (error) std::rethrow_exception(error);
  }

  double now() override {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  double wall() override { return kBegin + now(); }
  void sleep(double seconds) override {
    for (const double until = now() + std::max(seconds, kTick); now() < until;) give_way(until);
    let_others_look();
  }
  bool wait(std::unique_lock<std::mutex>& lock, std::condition_variable&, double until,
            const std::function<bool()>& done) override {
    while (!done()) {
      if (now() >= until) break;
      lock.unlock();
      give_way(until);
      lock.lock();
    }
    let_others_look();
    return done();
  }
  std::thread start(std::function<void()> work) override {
    const std::lock_guard lock(mutex_);
    const int id = static_cast<int>(threads_.size());
    threads_.emplace_back();
    try {
      std::thread out([this, id, work = std::move(work)] {
        self_ = id;
        take_turn();
        work();
        leave();
      });
      if (running_ < 0) next();
      return out;
    } catch (...) {
      threads_.pop_back();  // a seat that nobody sits in would get its turn, and keep it
      throw;
    }
  }

 private:
  static constexpr double kBegin = 1.7e9;  // of the system's clock
  static constexpr double kTick = 1e-3;    // seconds that letting others go first takes

  struct Thread {
    double until = 0;
    bool looked = false;  // and found nothing to do before `until`, as things are
    bool gone = false;
  };

  // Until all others have had the chance to do something, or `until`. A thread that is none of
  // ours looks again and again.
  void give_way(double until) {
    if (self_ < 0) return std::this_thread::yield();
    {
      const std::lock_guard lock(mutex_);
      threads_[self_].until = until;
      threads_[self_].looked = true;
      next();
    }
    take_turn();
  }
  void take_turn() {
    std::unique_lock lock(mutex_);
    std::int64_t seen = turns_;
    while (!turn_.wait_for(lock, stand_still_after, [this] { return running_ == self_; })) {
      if (turns_ == seen) stand_still();
      seen = turns_;
    }
  }
  // A turn that does not end: who has it, and what the others wait for.
  [[noreturn]] void stand_still() const {
    std::string text =
        fmt::format("virtual time stands still at {}: the turn of thread {}, seen by {}\n", now_,
                    running_, self_);
    for (std::size_t id = 0; id < threads_.size(); ++id) {
      const Thread& thread = threads_[id];
      text += fmt::format("  thread {}: until {}{}{}\n", id, thread.until,
                          thread.looked ? ", looked" : "", thread.gone ? ", gone" : "");
    }
    say(text);
    std::abort();
  }
  void let_others_look() {
    const std::lock_guard lock(mutex_);
    for (Thread& thread : threads_) thread.looked = false;
  }
  void leave() {
    let_others_look();
    const std::lock_guard lock(mutex_);
    threads_[self_].gone = true;
    next();
  }

  // Gives the turn to one of those that may have something to do; where there is none, lets time
  // pass until there is.
  void next() {
    std::vector<int> ready;
    double soonest = kNever;
    bool any = false;
    const auto look = [&] {
      for (int id = 0; id < static_cast<int>(threads_.size()); ++id) {
        const Thread& thread = threads_[id];
        if (thread.gone) continue;
        any = true;
        if (!thread.looked) ready.push_back(id);
        soonest = std::min(soonest, thread.until);
      }
    };
    look();
    if (ready.empty() && any) {
      if (soonest == kNever) {
        say("virtual time: all threads wait for ever\n");
        std::abort();
      }
      now_ = std::max(now_, soonest);
      for (Thread& thread : threads_) thread.looked = thread.looked && thread.until > now_;
      look();
    }
    running_ = ready.empty() ? -1 : ready[random_() % ready.size()];
    ++turns_;
    turn_.notify_all();
  }

  std::mutex mutex_;  // guards all below
  std::condition_variable turn_;
  std::vector<Thread> threads_;
  int running_ = -1;
  std::int64_t turns_ = 0;  // given so far
  double now_ = 0;
  std::mt19937_64 random_;
  static inline thread_local int self_ = -1;
};

}  // namespace metaloom
