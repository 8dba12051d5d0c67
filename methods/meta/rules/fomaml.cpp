// First-order MAML (Finn et al. 2017, section 5.2): the query gradient at the adapted phi is
// taken for the gradient at theta, every Hessian dropped. Not exact; one gradient per inner step.
#include <ATen/ATen.h>

#include "core/registry.h"
#include "methods/meta/meta_rule.h"

namespace metaloom {
namespace {

class FirstOrderMaml final : public MetaRule {
 public:
  bool exact() const override { return false; }
  double forwards_per_step(double gradient, bool) const override { return gradient; }

  MetaGradient run(const InnerProblem& problem, const Params& theta_T) const override {
    InnerLoop loop = descend(problem, theta_T, Keep::nothing);
    QueryGradient query = query_gradient(problem, loop.phi.back());
    return {std::move(query.gradient), std::move(loop.phi.back()), query.loss_T,
            loop.support_loss_KT};
  }
};

const Register<MetaRule> here{"fomaml", "first-order MAML: the query gradient after adaptation",
                              [] { return std::make_unique<FirstOrderMaml>(); }};

}  // namespace
}  // namespace metaloom
