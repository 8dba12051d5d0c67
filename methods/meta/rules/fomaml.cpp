// First-order MAML (Finn et al. 2017, section 5.2): the query gradient at the adapted phi is taken
// for the gradient at theta, every Hessian dropped. Not exact; one gradient per inner step. Learned
// rates get -<slope of step k, adjoint after it>, the adjoint as Hessians dropped leave it.
#include <ATen/ATen.h>

#include <algorithm>

#include "core/registry.h"
#include "methods/meta/inner_loop.h"
#include "methods/meta/meta_rule.h"

namespace metaloom {
namespace {

class FirstOrderMaml final : public MetaRule {
 public:
  bool exact() const override { return false; }
  Needs needs(std::int64_t steps, double) const override {
    return {last_query(steps), Derivatives::once};
  }

  Cost cost(const InnerWork& work) const override {
    const auto steps = static_cast<double>(work.steps);
    Cost total;
    total.flops = work.whole_gradient() * (steps * work.support.flops + work.query.flops);
    const double states = work.rate_bytes > 0 ? steps + 1 : 1;  // kept for the way back
    total.peak_bytes = std::max(work.query.peak_bytes, work.support.peak_bytes) +
                       states * (2 + work.memory) * work.fast_bytes + 2 * work.rate_bytes;
    return total;
  }

  MetaGradient run(const InnerProblem& problem, const Params& theta_T, double) const override {
    const bool learned = !problem.rates.learned_T().empty();
    InnerLoop loop = descend(problem, theta_T, learned ? Keep::slopes : Keep::nothing);
    QueryGradient query = query_gradient(problem, loop.states.back().phi, problem.steps);
    Adjoint adjoint = adjoint_of(problem, loop, query.gradient);
    for (std::int64_t k = learned ? problem.steps - 1 : -1; k >= 0; --k)
      step_back(problem, loop, k, Curvature::dropped, adjoint);
    return {std::move(query.gradient), std::move(adjoint.rates), std::move(loop.states.back().phi),
            query.loss_T, loop.support_loss_KT};
  }
};

const Register<MetaRule> here{"fomaml", "first-order MAML: the query gradient after adaptation",
                              [](const Table&) { return std::make_unique<FirstOrderMaml>(); }};

}  // namespace
}  // namespace metaloom
