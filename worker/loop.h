// The training loop: the table of contents of the whole system. It names no method, model, family
// or backend; a new feature is an implementation behind a seam, never an `if` in here.
#pragma once

#include <functional>

#include "comm/communicator.h"
#include "methods/method.h"
#include "sampler/mix/mix.h"
#include "worker/diagnostics.h"
#include "worker/fence.h"
#include "worker/optimizer/flat_params.h"
#include "worker/optimizer/optimizer.h"
#include "worker/reduction/gradient_reduction.h"

namespace metaloom {

struct LoopParts {
  Communicator& comm;
  const Mix& mix;
  const Method& method;
  FlatParams& theta;
  GradientReduction& reduction;
  Optimizer& optimizer;
  Fence& fence;
  Diagnostics& diagnostics;
  std::function<StepContext(std::int64_t step)> context;
  std::int64_t steps;
};

/// Runs updates `first_step`..steps-1. Returns false where it was told to stop before the end.
bool run_loop(const LoopParts& parts, std::int64_t first_step);

}  // namespace metaloom
