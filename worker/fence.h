// The fence after every update, where the world agrees on turning points: save, stop, give up.
// Signals and anomalies are voted, so that every rank turns at the same step.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "checkpoints/checkpoint.h"
#include "comm/communicator.h"
#include "worker/report/metrics_file.h"
#include "worker/run_state.h"

namespace metaloom {

/// What the ranks agreed on about one update.
struct Verdict {
  bool finite = true;  // the reduced gradient is, and at least one task was
  bool stop = false;   // some rank was told to stop
};

class Fence {
 public:
  struct Parts {
    Communicator& comm;
    const FlatParams& theta;
    const Optimizer& optimizer;
    RunProgress& progress;
    const Lineage& lineage;
    const std::map<std::string, std::string>& texts;  // kept with every checkpoint
    const std::map<std::string, Archive>& shared;     // the frozen model
    CheckpointFolder* folder;                         // rank 0's; null elsewhere, or without saves
    MetricsFile* metrics;                             // rank 0's; null elsewhere, or without one
    std::function<bool()> told_to_stop;
  };
  Fence(Parts parts, const CheckpointOptions& options, std::int64_t steps,
        std::int64_t non_finite_budget);

  /// Vote on one update (collective), given this rank's view of the gradient.
  Verdict vote(bool finite);
  /// After the update (collective): counts skipped ones (Error{non_finite} beyond the budget),
  /// saves when it is due, the run ends or stops. Returns whether to stop before the last update. A
  /// save that failed for the moment (a full disk) is made good by the next; two in a row end the
  /// run.
  bool pass(const Verdict& verdict);
  /// Waits until the last save is durable on rank 0 (collective).
  void finish();

 private:
  // All ranks bring what is to be saved; the one that has the folder writes it.
  void save();
  bool settle();

  Parts parts_;
  CheckpointOptions options_;
  std::int64_t steps_, budget_;
  std::int64_t saved_step_;  // a run starts with its own checkpoint's state, or at 0 without one
  bool failed_ = false;      // the last save that was waited for
};

}  // namespace metaloom
