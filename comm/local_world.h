// Where the ranks of a local world meet. An operation is a meeting: every rank arrives with what it
// brings, the last one does the work in rank order, and each takes its result away when it leaves.
// The first error of a rank poisons the world: whatever is waited for afterwards throws.
// Shared by the threads of run_local_world, which owns it; every function locks.
#pragma once

#include <ATen/core/Tensor.h>

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "core/error.h"

namespace metaloom {

/// What one rank brings to a meeting.
struct Brought {
  bool here = false;
  at::Tensor data;
  std::string text;
  std::vector<std::int64_t> votes;
};

/// What the ranks do together; all must come to the same.
struct Operation {
  std::string kind;
  Reduce how = Reduce::sum;
  int root = 0;
  bool operator==(const Operation&) const = default;
};

struct Meeting {
  Operation operation;
  std::vector<Brought> brought;  // by rank
  int arrived = 0, left = 0;
  at::Tensor result;  // of an operation on tensors; reduce_scatter: all parts
  std::vector<std::int64_t> votes;
};

class LocalWorld {
 public:
  LocalWorld(int size, double deadline, Clock& clock);

  int size() const { return static_cast<int>(seats_.size()); }
  /// What `rank` is doing, and how long (s) its waits may last.
  void announce(int rank, const std::string& section, double deadline);
  /// Brings something to the rank's next meeting, whose number is returned. Does not wait.
  std::int64_t arrive(int rank, const Operation& operation, Brought brought);
  /// Waits until all have arrived, then lets `take` read the results.
  /// Throws Error{hang} naming who has not come, or the world's first error.
  void leave(int rank, std::int64_t number, const std::function<void(const Meeting&)>& take);
  /// The rank has returned, or thrown `error`.
  void end(int rank, std::exception_ptr error);
  /// The first error of any rank, or null.
  std::exception_ptr first_error() const { return first_error_; }

 private:
  struct Seat {
    std::string section;
    double since;  // system clock
    double deadline;
    std::int64_t begun = 0;  // meetings arrived at
    bool ended = false;
  };

  void poison(std::exception_ptr error, Fault fault, std::string what);
  void throw_if_poisoned() const;
  void throw_unless_agreed(int rank, const Meeting& meeting, const Operation& operation,
                           const at::Tensor& data) const;
  [[noreturn]] void accuse(int rank, const Meeting& meeting, double waited, bool ended);

  Clock& clock_;
  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::vector<Seat> seats_;
  std::map<std::int64_t, Meeting> meetings_;  // by number
  std::exception_ptr first_error_;
  std::string poison_;
  Fault poison_fault_ = Fault::internal;
};

}  // namespace metaloom
