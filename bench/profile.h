// Where the time goes: CPU seconds of the calling thread per operator of the library, what an
// operator calls not counted to it. While the object lives it sees all operators of its thread
// (backward passes run on it, too); the rest is our own code and the library's dispatch.
#pragma once

#include <ATen/record_function.h>
#include <time.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace metaloom::bench {

class Profile {
 public:
  Profile() : before_(now()) {
    current() = this;
    handle_ = at::addThreadLocalCallback(
        at::RecordFunctionCallback(
            [](const at::RecordFunction& f) -> std::unique_ptr<at::ObserverContext> {
              current()->enter(f.name());
              return nullptr;
            },
            [](const at::RecordFunction&, at::ObserverContext*) { current()->leave(); })
            .scopes({at::RecordScope::FUNCTION}));
  }
  ~Profile() { at::removeCallback(handle_); }
  Profile(const Profile&) = delete;

  /// Seconds by operator so far.
  std::map<std::string, double> seconds() {
    charge();
    return seconds_;
  }

 private:
  static Profile*& current() {
    thread_local Profile* profile = nullptr;
    return profile;
  }
  static double now() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }
  /// Everything since the last event belongs to the innermost open operator.
  void charge() {
    const double time = now();
    seconds_[open_.back()] += time - before_;
    before_ = time;
  }
  void enter(const char* name) {
    charge();
    open_.emplace_back(name);
  }
  void leave() {
    charge();
    if (open_.size() > 1) open_.pop_back();
  }

  at::CallbackHandle handle_{};
  double before_;
  std::vector<std::string> open_{"(outside operators)"};
  std::map<std::string, double> seconds_;
};

}  // namespace metaloom::bench
