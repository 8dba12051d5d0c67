// MAML, exact (Finn et al. 2017), by the adjoint recursion, for SGD
//   lambda_K = grad L_Q(phi_K),   lambda_t = lambda_{t+1} - H_t (alpha * lambda_{t+1}),
// and for an inner optimizer that remembers by the same sweep over its whole state. The states of
// all steps are kept. A Hessian-vector product is a backward pass through the graph of the
// support gradient: the last steps keep theirs as far as memory is granted, the others make it
// anew, and that memory does not grow with the number of inner steps.
#include <ATen/ATen.h>

#include <algorithm>

#include "core/registry.h"
#include "methods/meta/inner_loop.h"
#include "methods/meta/meta_rule.h"

namespace metaloom {
namespace {

// Forward passes' worth of one inner step and its way back: the gradient, again where its graph was
// not kept, and the double backward: each product of the kept backward once per operand that
// carries a derivative, then the forward's own backward. Where layers are run again, the way back
// runs the gradient of each again and, once more, its forward pass.
double forwards_per_step(const InnerWork& work, bool kept) {
  const double backward = work.gradient - 1;
  const double again = work.recompute ? work.gradient + 1 : 0;
  return (kept ? 1 : 2) * work.whole_gradient() + backward * (backward + 1) + again;
}

class Maml final : public MetaRule {
 public:
  bool exact() const override { return true; }
  Needs needs(std::int64_t steps, double) const override {
    return {last_query(steps), Derivatives::twice};
  }

  Cost cost(const InnerWork& work) const override {
    const auto steps = static_cast<double>(work.steps);
    const auto kept = static_cast<double>(work.kept_graphs());
    Cost total;
    total.flops = (steps - kept) * forwards_per_step(work, false) * work.support.flops +
                  kept * forwards_per_step(work, true) * work.support.flops +
                  work.whole_gradient() * work.query.flops;
    const double graph = kGradientGraph * work.support.peak_bytes;
    total.peak_bytes = std::max(kept * graph + work.query.peak_bytes, std::max(kept, 1.0) * graph);
    // The states of all steps and the adjoint, and of weights their gradient and the kept slopes.
    const double copies = steps + 2 + kept + work.memory * (steps + 2);
    total.peak_bytes += copies * work.fast_bytes + 2 * work.rate_bytes;
    return total;
  }

  MetaGradient run(const InnerProblem& problem, const Params& theta_T, double) const override {
    InnerLoop loop = descend(problem, theta_T, Keep::graphs);
    QueryGradient query = query_gradient(problem, loop.states.back().phi, problem.steps);
    Adjoint adjoint = adjoint_of(problem, loop, std::move(query.gradient));
    for (std::int64_t k = problem.steps - 1; k >= 0; --k)
      step_back(problem, loop, k, Curvature::included, adjoint);
    return {std::move(adjoint.state.phi), std::move(adjoint.rates),
            std::move(loop.states.back().phi), query.loss_T, loop.support_loss_KT};
  }
};

const Register<MetaRule> here{"maml", "exact second-order MAML, by an adjoint sweep",
                              [](const Table&) { return std::make_unique<Maml>(); }};

}  // namespace
}  // namespace metaloom
