// MAML, exact (Finn et al. 2017), by the adjoint recursion:
//   lambda_K = grad L_Q(phi_K),   lambda_t = lambda_{t+1} - H_t (alpha * lambda_{t+1}).
// phi_0..phi_K are kept. A Hessian-vector product is a backward pass through the graph of the
// support gradient: the last steps keep theirs as far as memory is granted, the others make it
// anew, and that memory does not grow with the number of inner steps.
#include <ATen/ATen.h>

#include "core/registry.h"
#include "methods/meta/meta_rule.h"

namespace metaloom {
namespace {

/// H_t v at phi_t, for all tasks at once: their Hessian is block-diagonal.
Params hessian_vector(const InnerProblem& problem, InnerLoop& loop, std::int64_t t,
                      const Params& v) {
  const Params kept = std::move(loop.slope[t]);
  if (!kept.empty()) return vjp(kept, v, loop.phi[t]);
  const Params phi = loop.phi[t].leaves();
  return vjp(support_gradient(problem, phi, t, Derivatives::twice).gradient, v, phi);
}

class Maml final : public MetaRule {
 public:
  bool exact() const override { return true; }
  // The gradient, again where its graph was not kept, and the double backward: each product of
  // the kept backward once per operand that carries a derivative, then the forward's own backward.
  double forwards_per_step(double gradient, bool kept) const override {
    const double backward = gradient - 1;
    return (kept ? 1 : 2) * gradient + backward * (backward + 1);
  }

  MetaGradient run(const InnerProblem& problem, const Params& theta_T) const override {
    InnerLoop loop = descend(problem, theta_T, Keep::path);
    QueryGradient query = query_gradient(problem, loop.phi.back());
    Params lambda = std::move(query.gradient);
    for (std::int64_t t = problem.steps - 1; t >= 0; --t) {
      Params scaled;
      for (const auto& [name, value] : lambda) scaled.set(name, value * problem.rate_of(name));
      const Params curvature = hessian_vector(problem, loop, t, scaled);
      lambda = axpy(-1, curvature, lambda);
    }
    return {std::move(lambda), std::move(loop.phi.back()), query.loss_T, loop.support_loss_KT};
  }
};

const Register<MetaRule> here{"maml", "exact second-order MAML, by an adjoint sweep",
                              [] { return std::make_unique<Maml>(); }};

}  // namespace
}  // namespace metaloom
