#include "methods/meta/inner_loop.h"

#include <ATen/ATen.h>

namespace metaloom {

InnerProblem::SupportLoss proximal(Params theta_T, double strength) {
  return [theta_T = std::move(theta_T), strength](const Params& phi, std::int64_t, Derivatives) {
    at::Tensor sum_T;
    for (const auto& [name, value] : phi) {
      const at::Tensor square_T = (value - theta_T.at(name)).flatten(1).pow(2).sum(1);
      sum_T = sum_T.defined() ? sum_T + square_T : square_T;
    }
    return sum_T * (strength / 2);
  };
}

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
  out.states.push_back(problem.optimizer.start(theta_T.detached()));
  std::vector<at::Tensor> losses;
  for (std::int64_t k = 0; k < problem.steps; ++k) {
    const bool graph = keep == Keep::graphs && k >= problem.steps - problem.kept_graphs;
    InnerState& here = out.states.back();
    const Params phi = here.phi.leaves();
    auto [loss_T, slope] =
        support_gradient(problem, phi, k, graph ? Derivatives::twice : Derivatives::once);
    losses.push_back(loss_T);
    const Params slope_now = slope.detached();
    InnerState next =
        problem.optimizer.step({phi.detached(), here.memory}, slope_now, problem.rates.at(k), k);
    if (keep == Keep::nothing) {
      out.states.clear();
    } else {
      here.phi = phi;
      out.slopes.push_back(graph ? std::move(slope) : keep == Keep::slopes ? slope_now : Params());
    }
    out.states.push_back(std::move(next));
  }
  if (!losses.empty()) out.support_loss_KT = at::stack(losses);
  return out;
}

Params adapted_phi(const InnerProblem& problem, const Params& theta_T) {
  return descend(problem, theta_T, Keep::nothing).states.back().phi;
}

QueryGradient query_gradient(const InnerProblem& problem, const Params& phi, std::int64_t k) {
  const Params leaves = phi.leaves();
  const at::Tensor loss_T = problem.query_loss(leaves, k);
  Params gradient = grad(loss_T.sum(), leaves);
  return {loss_T.detach(), std::move(gradient)};
}

Adjoint adjoint_of(const InnerProblem& problem, const InnerLoop& loop, Params query_gradient) {
  const auto zeros = [](const Params& like) {
    return like.map(
        [](const at::Tensor& value) { return at::zeros(value.sizes(), value.options()); });
  };
  return {{std::move(query_gradient), zeros(loop.states.back().memory)},
          zeros(problem.rates.learned_T())};
}

void step_back(const InnerProblem& problem, InnerLoop& loop, std::int64_t k, Curvature curvature,
               Adjoint& adjoint) {
  const InnerState& state = loop.states[k];
  Params phi = state.phi, slope = std::move(loop.slopes[k]);
  if (slope.empty()) {
    phi = phi.leaves();
    slope = support_gradient(problem, phi, k, Derivatives::twice).gradient;
  }
  StepCotangents back =
      problem.optimizer.pull_back(state, slope, problem.rates.at(k), k, adjoint.state);
  problem.rates.add(adjoint.rates, back.rates, k);
  adjoint.state = std::move(back.state);
  if (curvature == Curvature::dropped) return;
  // H_k u for all tasks at once: their Hessian is block-diagonal.
  adjoint.state.phi = axpy(1, vjp(slope, back.slope, phi), adjoint.state.phi);
}

}  // namespace metaloom
