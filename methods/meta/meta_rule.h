// Seam: how an outer gradient comes out of an inner loop. T tasks are treated at once: fast weights
// phi are [T, ...], losses are [T], and one Hessian-vector product serves all T. Laws
// (tests/methods/meta_rule_laws_test.cpp): an exact rule equals finite differences in fp64 and the
// unrolled inner loop, in theta and in learned rates; a rule that is not exact must fail the same
// comparison.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/config/fields.h"
#include "core/params.h"
#include "methods/meta/inner_problem.h"
#include "methods/meta/inner_work.h"

namespace metaloom {

/// What a rule asks of an inner problem.
struct Needs {
  /// The outer loss is the sum over k of query_weights[k] times the query loss after k inner steps,
  /// k = 0 to steps: where a weight is zero, that loss is never computed.
  std::vector<double> query_weights;
  /// How often the support loss is differentiated.
  Derivatives support = Derivatives::once;
  /// The strength of a prior that holds phi near theta (`proximal`), a term of the support loss; 0:
  /// none. It belongs to adaptation for use, too.
  double prior = 0;
};
/// The query loss after the last of `steps` steps is all that counts.
std::vector<double> last_query(std::int64_t steps);

struct MetaGradient {
  Params gradient;             // d outer loss_t / d theta for each task t: [T, ...]
  Params rates;                // the same by the learned rates: [T, S, ...]
  Params adapted;              // phi after the inner loop, [T, ...]
  at::Tensor query_loss_T;     // the outer loss; of a rule without one the last support loss
  at::Tensor support_loss_KT;  // before each inner step
};

/// Per task whether its loss and its whole gradient are finite, bool [T] on the CPU.
at::Tensor finite_T(const MetaGradient& meta);

class MetaRule {
 public:
  static constexpr const char* kSeam = "meta-gradient rule";
  /// `section` is the `[method]` table, of which it reads its own keys and leaves the others alone.
  using Factory = std::function<std::unique_ptr<MetaRule>(const Table& section)>;

  virtual ~MetaRule() = default;
  /// Its own keys of the section.
  virtual void fields(Fields&) {}
  /// Whether its gradient is that of the outer loss through the unrolled inner loop, to rounding:
  /// what its laws hold it to.
  virtual bool exact() const = 0;
  /// What it asks for with so many inner steps, `progress` (0 to 1) of the training being done.
  virtual Needs needs(std::int64_t steps, double progress) const = 0;
  /// The work and the memory of `run`.
  virtual Cost cost(const InnerWork& work) const = 0;
  /// The meta-gradient at theta_T [T, ...] (a shared theta, expanded). No graph is left behind.
  virtual MetaGradient run(const InnerProblem& problem, const Params& theta_T,
                           double progress) const = 0;
};

}  // namespace metaloom
