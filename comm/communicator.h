// Seam: how the ranks of a world speak to each other. Two channels: data (tensors) and control
// (votes, announcements), which works while the data channel is stuck. Every wait has the deadline
// of the Section around it; when it passes, the error names the silent rank and the section it was
// last in. An Error on one rank ends the world: call abort, or let the exception reach main.
// Laws (tests/comm/communicator_laws_test.cpp) hold for every backend at sizes 1, 2, 3, 4, 7.
// A communicator is used by one thread of its rank.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comm/place.h"
#include "core/clock.h"
#include "core/config/fields.h"

namespace metaloom {

enum class Reduce { sum, min, max };

struct CommOptions {
  std::string backend = "auto";  // auto: nccl where every rank has a GPU, else mpi, else local
  double deadline = 600;         // seconds that any wait, and any section, may last
  bool ordered = false;      // sum packs in their order: on CPUs bitwise equal at any world size
  std::int64_t threads = 0;  // per rank; 0: Communicator::cores()
  bool gpus = true;          // no key: whether anything of the run may compute on a GPU
  void fields(Fields& f);
};

/// An operation under way. Destroying it waits for it.
class Pending {
 public:
  virtual ~Pending() = default;
  /// Throws Error{hang} when the deadline passes.
  virtual void wait() = 0;
};

class RollCall;

class Communicator {
 public:
  static constexpr const char* kSeam = "communicator";
  /// Joins the world (collective), which waits by `clock`. Throws Error{usage} where the backend
  /// cannot run here.
  using Factory =
      std::function<std::unique_ptr<Communicator>(const CommOptions& options, Clock& clock)>;

  virtual ~Communicator() = default;
  const Place& place() const { return place_; }
  int rank() const { return place_.rank; }
  int size() const { return place_.size; }
  /// The time of this rank: what it waits by, and what it takes its times by.
  Clock& clock() const { return clock_; }

  // Operations on tensors work in place, on contiguous memory that must be left alone until the
  // wait; several may be under way, begun in one order on all ranks. What is reduced is fp32, fp64,
  // int64 or bfloat16; a sum has the same bits on all ranks and at every run. bfloat16 is summed in
  // fp32 and rounded once (nccl: by each rank that adds to it).

  /// Reduces `data` over all ranks.
  virtual std::unique_ptr<Pending> all_reduce(at::Tensor data, Reduce how) = 0;
  /// Reduces `data`, of which each rank gets its own part alone; the other parts are left as
  /// anything. `data` has as many numbers for each rank (see part), or Error{internal} is thrown.
  virtual std::unique_ptr<Pending> reduce_scatter(at::Tensor data, Reduce how) = 0;
  /// Every rank's part of `data` (any type) on every rank: all_gather after reduce_scatter is
  /// all_reduce.
  virtual std::unique_ptr<Pending> all_gather(at::Tensor data) = 0;
  /// This rank's part of `data`, as a view: the numbers [rank * n, rank * n + n) of size * n.
  at::Tensor part(const at::Tensor& data) const;
  /// Copies root's `data` (contiguous, any type) over everybody's.
  virtual void broadcast(at::Tensor data, int root) = 0;
  /// Every rank's `mine` (sizes may differ) on every rank, in rank order.
  virtual std::vector<std::string> all_gather(const std::string& mine) = 0;
  virtual void barrier() = 0;

  /// Adds to `sum` the contributions of all ranks in ascending order of their index, whatever
  /// rank holds them: bitwise equal at any world size. Indices are unique over the world;
  /// `count` is how many there are (0..count-1, each held by exactly one rank).
  void ordered_sum(const at::Tensor& sum,
                   const std::vector<std::pair<std::int64_t, at::Tensor>>& mine,
                   std::int64_t count);

  /// Control channel: the largest of each number over the ranks.
  virtual std::vector<std::int64_t> vote(std::vector<std::int64_t> mine) = 0;
  /// Tells the others what this rank is doing (see Section); never blocks, never throws.
  virtual void announce(const std::string& section, std::chrono::duration<double> deadline) = 0;
  /// Ends every rank of the world with `exit_code`, printing `why` unless it stands there already.
  /// Does not return; never tears down gracefully. In run_local_world it throws instead.
  [[noreturn]] virtual void abort(int exit_code, const std::string& why) = 0;

  /// Where this rank knows the others from (comm/roll_call/roll_call.h), for a backend built on
  /// this one; absent where ranks are threads.
  virtual RollCall* roll_call() { return nullptr; }

 protected:
  /// `deadline`: how long a wait may last outside any section, seconds.
  Communicator(Place place, double deadline, Clock& clock)
      : place_(std::move(place)), deadline_(deadline), clock_(clock) {}

  // Throw Error{internal}, before anybody waits, unless `data` is contiguous; has a type that can
  // be reduced; has a part for each rank.
  static void check_contiguous(const at::Tensor& data, const char* operation);
  static void check_reducible(const at::Tensor& data, const char* operation);
  void check_parts(const at::Tensor& data, const char* operation) const;

 private:
  friend class Section;
  struct Doing {
    std::string section;
    std::chrono::duration<double> deadline;
  };
  Place place_;
  std::chrono::duration<double> deadline_;
  Clock& clock_;
  std::vector<Doing> sections_;  // innermost last
};

/// Marks what this rank is doing, for deadlines and for the message when one passes; restores the
/// surrounding section at the end of its scope. Its deadline runs from the last sign of life:
/// entering a section, coming back to it, alive(), or waiting for the others. When it passes, the
/// watchdog of the process prints rank, host and section, and ends the job.
class Section {
 public:
  Section(Communicator& comm, std::string name, std::chrono::duration<double> deadline);
  Section(Communicator& comm, std::string name);  // the surrounding deadline
  ~Section();
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;
  /// A sign of life from within long work: the deadline starts again.
  void alive() const;

 private:
  Communicator& comm_;
};

/// Runs `rank_main` as `size` threads with a local communicator each; rethrows the first error
/// after all have ended. What the law suites and the any-world tests run on; without a clock, by
/// that of this machine.
void run_local_world(int size, const CommOptions& options,
                     const std::function<void(Communicator&)>& rank_main);
void run_local_world(int size, const CommOptions& options, Clock& clock,
                     const std::function<void(Communicator&)>& rank_main);

}  // namespace metaloom
