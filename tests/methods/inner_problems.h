// Inner problems in fp64 that the laws of meta-gradient rules and inner optimizers are tried on,
// and what their derivatives are by ways that share nothing with a rule: the inner loop unrolled
// under autograd, and central differences.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "methods/meta/meta_rule.h"
#include "tests/methods/tiny_episodes.h"

namespace metaloom {

/// An inner problem over some tasks, and theta expanded to them.
struct InnerCase {
  InnerProblem problem;
  Params theta_T;
};

/// "analytic": two parameters, coupled and far from quadratic; each task has its own targets, each
/// step another weight; the parameters have inner rates of their own; the support loss has two
/// terms. "prompt": a soft prompt before a tiny BERT. Learned rates differ by task, step and
/// element as far as `kind` allows. The world and the optimizer outlive the case.
InnerCase inner_case(const std::string& problem, LearnedRates kind, const InnerOptimizer& by,
                     const TinyEpisodes& world, const std::vector<std::int64_t>& tasks);

/// theta and learned rates ("rate.NAME") as one.
Params together(const Params& theta_T, const Params& rates_T);
inline Params together(const MetaGradient& meta) {
  return together(meta.gradient, meta.rates);
}

/// How a slope is differentiated in an unrolled loop: as a function of phi, or as a constant.
enum class Slopes { functions, constants };
/// Gradients of the outer loss by theta and learned rates through the inner loop as one graph.
Params unrolled(const InnerCase& c, const std::vector<double>& query_weights, Slopes slopes);
/// The same by central differences in every coordinate of every task.
Params differences(const InnerCase& c, const std::vector<double>& query_weights);

}  // namespace metaloom
