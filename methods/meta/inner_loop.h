// What meta-gradient rules are made of: the inner loop forward, the query gradient where it ends,
// and one step of the way back.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "methods/meta/inner_problem.h"

namespace metaloom {

/// The support loss [T] at phi, detached, and its gradient; `twice` keeps the gradient's graph.
struct SupportGradient {
  at::Tensor loss_T;
  Params gradient;
};
SupportGradient support_gradient(const InnerProblem& problem, const Params& phi, std::int64_t k,
                                 Derivatives derivatives);

/// What an inner loop leaves for the way back: nothing, where each step stood and its slope, or
/// that with the graphs of the last `problem.kept_graphs` slopes.
enum class Keep { nothing, slopes, graphs };

struct InnerLoop {
  std::vector<InnerState> states;  // the last one; or the start and what followed each step
  std::vector<Params> slopes;      // at states[k] (k < steps); with Keep::graphs as functions of
                                   // its phi, empty where the graph was not kept
  at::Tensor support_loss_KT;      // before each step
};
InnerLoop descend(const InnerProblem& problem, const Params& theta_T, Keep keep);

/// phi after all steps from theta_T; first order, nothing kept: adaptation for use.
Params adapted_phi(const InnerProblem& problem, const Params& theta_T);

/// Query losses [T] and their gradient at phi, reached after k steps.
struct QueryGradient {
  at::Tensor loss_T;
  Params gradient;
};
QueryGradient query_gradient(const InnerProblem& problem, const Params& phi, std::int64_t k);

/// What is carried back: derivatives of the outer losses by the state of the inner loop, and those
/// by the learned rates as far as the way back has come, [T, S, ...].
struct Adjoint {
  InnerState state;
  Params rates;
};
/// Where the way back starts: the query gradient after the last step.
Adjoint adjoint_of(const InnerProblem& problem, const InnerLoop& loop, Params query_gradient);

/// Whether the way back goes through the slopes, too: by a Hessian-vector product each.
enum class Curvature { included, dropped };
/// The adjoint of the state before step k out of that after it. Takes the step's slope out of
/// `loop`: its graph is freed. `dropped` needs Keep::slopes, `included` Keep::graphs.
void step_back(const InnerProblem& problem, InnerLoop& loop, std::int64_t k, Curvature curvature,
               Adjoint& adjoint);

}  // namespace metaloom
