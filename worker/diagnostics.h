// Everything a run says of itself: the progress line, metrics.jsonl, evaluations. It
// changes nothing that is trained.
#pragma once

#include <memory>
#include <string>

#include "comm/communicator.h"
#include "methods/method.h"
#include "sampler/mix/mix.h"
#include "worker/evaluation/evaluation.h"
#include "worker/fence.h"
#include "worker/reduction/update_outcome.h"
#include "worker/report/metrics_file.h"
#include "worker/report/progress.h"

namespace metaloom {

class Diagnostics {
 public:
  struct Parts {
    Communicator& comm;
    const Method& method;
    const Mix& mix;
    MetricsFile* metrics;  // rank 0's; null elsewhere
    std::string stage;
    std::int64_t steps;
    std::function<StepContext(std::int64_t step)> context;
  };
  Diagnostics(Parts parts, const EvaluationOptions& options, std::int64_t first_step);

  /// After update `step` (a count of updates made).
  void update(std::int64_t step, const Phase& phase, const UpdateOutcome& outcome, double norm,
              double rate, const Params& theta);
  /// Scores the validation split after update `step` where that is due (collective).
  void validate(std::int64_t step, const Params& theta);
  /// Scores before the first update and after the last one, as configured (collective).
  void before(const Params& theta);
  void after(const Params& theta);

 private:
  void score(const Params& theta, std::int64_t step, const std::string& name, Split split,
             bool final);
  void write_watch(const Params& theta, std::int64_t step);

  Parts parts_;
  EvaluationOptions options_;
  Progress progress_;
};

}  // namespace metaloom
