// Seam: how an outer gradient comes out of an inner loop. T tasks are treated at once: fast weights
// phi are [T, ...], losses are [T]; as tasks share no fast weight, one backward of the summed
// losses gives every task's own gradient, and one Hessian-vector product all T. Laws
// (tests/methods/meta_rule_laws_test.cpp): an exact rule equals finite differences in fp64 and the
// unrolled inner loop; the first-order rule must fail the same comparison.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/params.h"

namespace metaloom {

/// How often a loss will be differentiated: twice rules fused attention out.
enum class Derivatives { once, twice };

/// One pack of episodes as a rule sees it. All losses are pure functions of their arguments.
struct InnerProblem {
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
  /// The gradients of the last so many inner steps keep their graphs where a rule needs them
  /// again; those of earlier steps are made anew. Time for memory: exactness is the same.
  std::int64_t kept_graphs = 0;
  double rate = 0.1;                                 // of the inner SGD ...
  std::map<std::string, double, std::less<>> rates;  // ... but for these names
  double rate_of(std::string_view name) const;
};

struct MetaGradient {
  Params gradient;             // d query_loss_t / d theta for each task t: [T, ...]
  Params adapted;              // phi after the inner loop, [T, ...]
  at::Tensor query_loss_T;     // at the adapted phi
  at::Tensor support_loss_KT;  // before each inner step
};

/// Per task whether its loss and its whole gradient are finite, bool [T] on the CPU.
at::Tensor finite_T(const MetaGradient& meta);

class MetaRule {
 public:
  static constexpr const char* kSeam = "meta-gradient rule";
  using Factory = std::function<std::unique_ptr<MetaRule>()>;

  virtual ~MetaRule() = default;
  /// Whether the gradient is that of the unrolled inner loop, to rounding.
  virtual bool exact() const = 0;
  /// Forward passes' worth of work on the support rows for one inner step, its graph kept or not,
  /// where one gradient costs `gradient` of them: 2 with frozen weights (activations only), 3
  /// with trained ones.
  virtual double forwards_per_step(double gradient, bool kept) const = 0;
  /// The meta-gradient at theta_T [T, ...] (a shared theta, expanded). No graph is left behind.
  virtual MetaGradient run(const InnerProblem& problem, const Params& theta_T) const = 0;
};

/// The support loss [T] at phi, detached, and its gradient; `twice` keeps the gradient's graph.
struct SupportGradient {
  at::Tensor loss_T;
  Params gradient;
};
SupportGradient support_gradient(const InnerProblem& problem, const Params& phi, std::int64_t k,
                                 Derivatives derivatives);

/// What an inner loop leaves for the way back.
enum class Keep { nothing, path };

/// The inner loop alone.
struct InnerLoop {
  std::vector<Params> phi;    // the last one; with Keep::path theta_T and what followed each step
  std::vector<Params> slope;  // with Keep::path: gradients at phi[k] as functions of it (k <
                              // steps); empty where the graph was not kept
  at::Tensor support_loss_KT;
};
InnerLoop descend(const InnerProblem& problem, const Params& theta_T, Keep keep);

/// phi after `steps` steps of SGD from theta_T; first order, nothing kept.
Params adapt_by_sgd(const InnerProblem& problem, const Params& theta_T);

/// Query losses [T] and their gradient lambda_K at the adapted phi.
struct QueryGradient {
  at::Tensor loss_T;
  Params gradient;
};
QueryGradient query_gradient(const InnerProblem& problem, const Params& phi);

}  // namespace metaloom
