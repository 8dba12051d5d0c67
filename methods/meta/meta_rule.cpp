#include "methods/meta/meta_rule.h"

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

SupportGradient support_gradient(const InnerProblem& problem, const Params& phi, std::int64_t k,
                                 Derivatives derivatives) {
  SupportGradient out;
  for (const InnerProblem::SupportLoss& support_loss : problem.support_losses) {
    const at::Tensor loss_T = support_loss(phi, k, derivatives);
    Params part = grad(loss_T.sum(), phi, /*create_graph=*/derivatives == Derivatives::twice);
    const bool first = !out.loss_T.defined();
    out.loss_T = first ? loss_T.detach() : out.loss_T + loss_T.detach();
    out.gradient = first ? std::move(part) : axpy(1, part, out.gradient);
  }
  return out;
}

InnerLoop descend(const InnerProblem& problem, const Params& theta_T, Keep keep) {
  InnerLoop out;
  out.phi.push_back(theta_T.detached());
  std::vector<at::Tensor> losses;
  for (std::int64_t k = 0; k < problem.steps; ++k) {
    const bool graph = keep == Keep::path && k >= problem.steps - problem.kept_graphs;
    const Params phi = out.phi.back().leaves();
    auto [loss_T, slope] =
        support_gradient(problem, phi, k, graph ? Derivatives::twice : Derivatives::once);
    losses.push_back(loss_T);
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

at::Tensor finite_T(const MetaGradient& meta) {
  at::Tensor finite = meta.query_loss_T.isfinite();
  for (const auto& [name, value] : meta.gradient)
    finite = finite.logical_and(value.flatten(1).isfinite().all(1));
  return finite.cpu();
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
