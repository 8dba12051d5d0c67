// Parts that are registered for the tests alone, so that laws hold what the seams carry and not
// only what is shipped: an inner optimizer that remembers, a rule that looks at every step's query
// loss, and one with a prior and a key of its own.
#include <ATen/ATen.h>

#include "core/registry.h"
#include "methods/meta/inner_loop.h"
#include "methods/meta/meta_rule.h"

namespace metaloom {
namespace {

/// Momentum that forgets faster with every step, and a slope that is squashed before it is used.
class Remembering final : public InnerOptimizer {
 public:
  InnerState start(const Params& phi_T) const override {
    InnerState out{phi_T, {}};
    for (const auto& [name, value] : phi_T)
      out.memory.set("velocity of " + name, at::zeros(value.sizes(), value.options()));
    return out;
  }
  InnerState step(const InnerState& state, const Params& slope, const Params& rates,
                  std::int64_t k) const override {
    const double kept = 0.9 / static_cast<double>(k + 1);
    InnerState next;
    for (const auto& [name, value] : state.phi) {
      const std::string memory = "velocity of " + name;
      const at::Tensor velocity = kept * state.memory.at(memory) + at::atan(slope.at(name));
      next.phi.set(name, value - rates.at(name) * velocity);
      next.memory.set(memory, velocity);
    }
    return next;
  }
  double memory_per_weight() const override { return 1; }
};

const Register<InnerOptimizer> remembering{
    "made-remembering", "", [](const Table&) { return std::make_unique<Remembering>(); }};

/// Exact, for an outer loss of the query losses after every step (MAML++'s multi-step loss).
class EveryStep final : public MetaRule {
 public:
  bool exact() const override { return true; }
  Needs needs(std::int64_t steps, double progress) const override {
    Needs out{std::vector<double>(steps + 1, (1 - progress) / static_cast<double>(steps)),
              Derivatives::twice};
    out.query_weights.front() = 0;
    out.query_weights.back() += progress;
    return out;
  }
  Cost cost(const InnerWork& work) const override {
    Cost total = Registry<MetaRule>::make("maml", Table())->cost(work);
    total.flops += static_cast<double>(work.steps - 1) * work.whole_gradient() * work.query.flops;
    return total;
  }
  MetaGradient run(const InnerProblem& problem, const Params& theta_T,
                   double progress) const override {
    const std::vector<double> weights = needs(problem.steps, progress).query_weights;
    InnerLoop loop = descend(problem, theta_T, Keep::graphs);
    MetaGradient out;
    Params none = theta_T.map([](const at::Tensor& value) { return at::zeros_like(value); });
    Adjoint adjoint = adjoint_of(problem, loop, std::move(none));
    for (std::int64_t k = problem.steps; k > 0; --k) {
      const QueryGradient query = query_gradient(problem, loop.states[k].phi, k);
      adjoint.state.phi = axpy(weights[k], query.gradient, adjoint.state.phi);
      const at::Tensor loss_T = weights[k] * query.loss_T;
      out.query_loss_T = out.query_loss_T.defined() ? out.query_loss_T + loss_T : loss_T;
      step_back(problem, loop, k - 1, Curvature::included, adjoint);
    }
    out.gradient = std::move(adjoint.state.phi);
    out.rates = std::move(adjoint.rates);
    out.adapted = std::move(loop.states.back().phi);
    out.support_loss_KT = loop.support_loss_KT;
    return out;
  }
};

/// First order, phi held near theta.
class Held final : public MetaRule {
 public:
  explicit Held(const Table& section) { fields(*field_reader(section, "method")); }
  void fields(Fields& f) override { f.real("made_prior", prior_, "strength of the prior", {0}); }
  bool exact() const override { return false; }
  Needs needs(std::int64_t steps, double) const override {
    return {last_query(steps), Derivatives::once, prior_};
  }
  Cost cost(const InnerWork& work) const override {
    return Registry<MetaRule>::make("fomaml", Table())->cost(work);
  }
  MetaGradient run(const InnerProblem& problem, const Params& theta_T,
                   double progress) const override {
    return Registry<MetaRule>::make("fomaml", Table())->run(problem, theta_T, progress);
  }

 private:
  double prior_ = 0;
};

const Register<MetaRule> held{"made-held", "",
                              [](const Table& section) { return std::make_unique<Held>(section); }};
const Register<MetaRule> every_step{"made-every-step", "",
                                    [](const Table&) { return std::make_unique<EveryStep>(); }};

}  // namespace
}  // namespace metaloom
