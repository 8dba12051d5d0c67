// One pack of episodes as a meta-gradient rule sees it: losses as pure functions of fast weights
// [T, ...], and who makes the inner steps. Losses are [T]; as tasks share no fast weight, one
// backward of the summed losses gives every task's own gradient.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "core/params.h"
#include "methods/meta/inner/inner_optimizer.h"
#include "methods/meta/inner_rates.h"

namespace metaloom {

/// How often a loss will be differentiated. Fused attention has no second derivative.
enum class Derivatives { once, twice };

struct InnerProblem {
  /// The optimizer outlives the problem.
  explicit InnerProblem(const InnerOptimizer& by) : optimizer(by) {}

  /// Losses [T] at phi in inner step k (0-based) over some of the support rows; k keys dropout and
  /// batches.
  using SupportLoss =
      std::function<at::Tensor(const Params& phi, std::int64_t k, Derivatives derivatives)>;
  /// The support loss is their sum: one, or more of them where the rows do not fit into one pass.
  /// Each is differentiated by itself, before the next one is computed.
  std::vector<SupportLoss> support_losses;
  /// Query losses [T] at phi, reached after k inner steps; differentiated once.
  std::function<at::Tensor(const Params& phi, std::int64_t k)> query_loss;
  std::int64_t steps = 5;
  const InnerOptimizer& optimizer;
  InnerRates rates;
  /// The gradients of the last so many inner steps keep their graphs where a rule needs them
  /// again; those of earlier steps are made anew. Time for memory: exactness is the same.
  std::int64_t kept_graphs = 0;
};

/// `strength` / 2 * |phi - theta_T|^2 per task: a prior that holds phi near theta, as one more term
/// of the support loss.
InnerProblem::SupportLoss proximal(Params theta_T, double strength);

}  // namespace metaloom
