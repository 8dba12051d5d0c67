// The work of an inner loop, counted in passes over its rows: what a rule's cost is made of.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/cost.h"

namespace metaloom {

/// The memory of a gradient's graph over that of a forward pass (measured: 2.3).
inline constexpr double kGradientGraph = 2.5;

struct InnerWork {
  Cost support, query;     // one forward pass over these rows of all tasks
  double gradient = 3;     // forward passes' worth of one gradient: 2 with frozen weights
                           // (activations only), 3 with trained ones
  bool recompute = false;  // layers are run again where they are differentiated
  std::int64_t steps = 5;  // of the inner loop
  double fast_bytes = 0;   // of one copy of every task's fast weights
  double memory = 0;       // copies that the optimizer remembers beside them
  double rate_bytes = 0;   // of every task's learned rates; 0: none is learned
  double graph_bytes = 0;  // granted for graphs of inner steps that are kept for the way back

  /// Forward passes' worth of a gradient, layers that are run again counted.
  double whole_gradient() const { return gradient + (recompute ? 1 : 0); }
  /// How many inner steps may keep theirs.
  std::int64_t kept_graphs() const {
    const double fit = graph_bytes / (kGradientGraph * support.peak_bytes);
    return static_cast<std::int64_t>(std::min(fit, static_cast<double>(steps)));
  }
};

}  // namespace metaloom
