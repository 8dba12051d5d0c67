#include "methods/meta_rule.h"

#include <ATen/ATen.h>

namespace metaloom {

double InnerProblem::rate_of(std::string_view name) const {
  const auto it = rates.find(name);
  return it == rates.end() ? rate : it->second;
}

namespace {

Params sgd_step(const InnerProblem& problem, const Params& phi, const Params& gradient) {
  Params next;
  for (const auto& [name, value] : phi)
    next.set(name, at::sub(value, gradient.at(name), problem.rate_of(name)));
  return next;
}

}  // namespace

InnerLoop descend(const InnerProblem& problem, const Params& theta_T, Keep keep) {
  InnerLoop out;
  out.phi.push_back(theta_T.detached());
  std::vector<at::Tensor> losses;
  for (std::int64_t k = 0; k < problem.steps; ++k) {
    const bool graph = keep == Keep::path && k >= problem.steps - problem.kept_graphs;
    const Params phi = out.phi.back().leaves();
    const at::Tensor loss_T =
        problem.support_loss(phi, k, graph ? Derivatives::twice : Derivatives::once);
    losses.push_back(loss_T.detach());
    Params slope = grad(loss_T.sum(), phi, /*create_graph=*/graph);
    Params next = sgd_step(problem, phi.detached(), slope.detached());
    if (keep == Keep::path) {
      out.phi.back() = phi;
      out.slope.push_back(graph ? std::move(slope) : Params());
    } else {
      out.phi.clear();
    }
    out.phi.push_back(std::move(next));
  }
  if (!losses.empty()) out.support_loss_KT = at::stack(losses);
  return out;
}

Params adapt_by_sgd(const InnerProblem& problem, const Params& theta_T) {
  return descend(problem, theta_T, Keep::nothing).phi.back();
}

QueryGradient query_gradient(const InnerProblem& problem, const Params& phi) {
  const Params leaves = phi.leaves();
  const at::Tensor loss_T = problem.query_loss(leaves, problem.steps);
  Params gradient = grad(loss_T.sum(), leaves);
  return {loss_T.detach(), std::move(gradient)};
}

}  // namespace metaloom
