// What became of one update's tasks: gathered from all ranks, so that every rank knows the divisor
// of the summed gradient and rank 0 can report each dataset.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "comm/communicator.h"
#include "methods/method.h"

namespace metaloom {

class UpdateOutcome {
 public:
  /// The outcomes of one pack computed on this rank.
  void add(std::int64_t pack, const std::vector<TaskOutcome>& tasks);
  /// Gathers those of all ranks, in the order of packs (collective).
  void exchange(Communicator& comm);

  // After the exchange, equal on every rank:
  const std::vector<TaskOutcome>& tasks() const { return tasks_; }
  /// Sum of the weights of the finite tasks: what the summed gradient is divided by.
  double divisor() const;
  /// Mean loss over the finite tasks, weighted; NaN where there is none.
  double loss() const;
  /// Weighted means of the tasks' metrics, in the order in which tasks tell them.
  std::vector<Metric> metrics() const;
  std::int64_t tokens() const;
  std::vector<TaskId> non_finite() const;

 private:
  std::map<std::int64_t, std::vector<TaskOutcome>> packs_;
  std::vector<TaskOutcome> tasks_;
};

}  // namespace metaloom
