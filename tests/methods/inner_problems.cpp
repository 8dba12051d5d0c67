#include "tests/methods/inner_problems.h"

#include <ATen/ATen.h>

#include "core/registry.h"
#include "methods/meta/inner_loop.h"
#include "methods/metaprompting/cloze_pack.h"

namespace metaloom {
namespace {

Params for_tasks(const Params& theta, std::int64_t tasks) {
  return theta.map([tasks](const at::Tensor& value) { return for_each_task(value, tasks); });
}

/// Learned rates around the constants, another one for each task (by its number) and element.
Params learned_T(LearnedRates kind, const Params& constants, const Params& theta,
                 std::int64_t steps, const std::vector<std::int64_t>& tasks) {
  Params out;
  for (const auto& [name, rate] : learned_rates(initial_rates(kind, constants, theta, steps))) {
    std::vector<at::Tensor> each;
    for (const std::int64_t t : tasks)
      each.push_back(rate *
                     (1 + Rng(9, name).at({t}).normal_tensor(rate.sizes(), 0.2, at::kDouble)));
    out.set(name, at::stack(each));
  }
  return out;
}

InnerCase analytic(LearnedRates kind, const InnerOptimizer& by,
                   const std::vector<std::int64_t>& tasks) {
  const auto count = static_cast<std::int64_t>(tasks.size());
  std::vector<at::Tensor> targets;
  for (const std::int64_t t : tasks)
    targets.push_back(Rng(5, "targets").at({t}).normal_tensor({2, 3}, 1, at::kDouble));
  const at::Tensor target_T23 = at::stack(targets);
  const auto loss = [count, target_T23](const Params& phi, double weight) {
    const at::Tensor mixed_T23 = at::bmm(phi.at("b"), at::sin(phi.at("a")).view({count, 1, 3}) +
                                                          at::zeros({count, 2, 1}, at::kDouble));
    return weight * (at::tanh(mixed_T23) - target_T23).pow(2).sum({1, 2}) +
           0.3 * phi.at("a").exp().sum(1);
  };
  InnerCase out{InnerProblem(by), {}};
  // Of two terms, as where the support rows take two passes.
  for (const double share : {0.3, 0.7})
    out.problem.support_losses.push_back(
        [loss, share](const Params& phi, std::int64_t k, Derivatives) {
          return loss(phi, share * (1.0 + 0.1 * static_cast<double>(k)));
        });
  out.problem.query_loss = [loss](const Params& phi, std::int64_t) {
    return loss(phi, 0.7) + phi.at("b").pow(2).sum({1, 2});
  };
  out.problem.steps = 4;
  Params theta, rates;
  theta.set("a", Rng(5, "a").normal_tensor({3}, 0.8, at::kDouble));
  theta.set("b", Rng(5, "b").normal_tensor({2, 2}, 0.8, at::kDouble));
  rates.set("a", constant_rate(0.05));
  rates.set("b", constant_rate(0.12));
  out.problem.rates = InnerRates(rates, learned_T(kind, rates, theta, out.problem.steps, tasks));
  out.theta_T = for_tasks(theta, count);
  return out;
}

InnerCase prompted(LearnedRates kind, const InnerOptimizer& by, const TinyEpisodes& world,
                   const std::vector<std::int64_t>& tasks) {
  std::vector<Task> pack;
  for (const std::int64_t t : tasks) pack.push_back(world.tasks.at(t));
  const Template frame("<soft:2> {text} , the topic is [MASK] .", world.pretrained, 24);
  const ScopeIngredients ingredients{.pretrained = world.pretrained, .soft = {.tokens = 2}};
  const std::shared_ptr<Scope> scope = Registry<Scope>::make("prompt", Table(), ingredients);
  const auto cloze = std::make_shared<ClozePack>(world.pretrained, *scope, world.pretrained.weights,
                                                 frame, pack, ClassPieces({&world.dataset}));
  InnerCase out{InnerProblem(by), {}};
  out.problem.support_losses = {
      [scope, cloze](const Params& phi, std::int64_t, Derivatives derivatives) {
        return cloze->support_losses_T(
            phi, derivatives == Derivatives::twice ? Attention::math : Attention::fused, 0);
      }};
  out.problem.query_loss = [scope, cloze](const Params& phi, std::int64_t) {
    return cloze->query_losses_T(cloze->query_logits_RN(phi));
  };
  out.problem.steps = 3;
  Params theta;
  theta.set(kSoftPrompt, Rng(5, "soft").normal_tensor({2, 16}, 0.3, at::kDouble));
  const Params rates = scope->inner_rates(3);  // steep: first and second order differ widely
  out.problem.rates = InnerRates(rates, learned_T(kind, rates, theta, out.problem.steps, tasks));
  out.theta_T = cloze->fast_weights(theta);
  return out;
}

/// The inner loop, its outer loss being sum_k weight_k L_Q(phi_k).
at::Tensor outer_loss(const InnerProblem& problem, const Params& theta_T, const Params& learned_T,
                      const std::vector<double>& query_weights, Slopes slopes) {
  const InnerRates rates(problem.rates.at(0), learned_T);
  InnerState state = problem.optimizer.start(theta_T);
  at::Tensor outer = at::zeros({}, at::kDouble);
  for (std::int64_t k = 0; k <= problem.steps; ++k) {
    if (query_weights.at(k) != 0)
      outer = outer + query_weights[k] * problem.query_loss(state.phi, k).sum();
    if (k == problem.steps) break;
    at::Tensor loss = at::zeros({}, at::kDouble);
    for (const auto& support_loss : problem.support_losses)
      loss = loss + support_loss(state.phi, k, Derivatives::twice).sum();
    const Params slope = grad(loss, state.phi, true);
    state = problem.optimizer.step(state, slopes == Slopes::functions ? slope : slope.detached(),
                                   rates.at(k), k);
  }
  return outer;
}

}  // namespace

InnerCase inner_case(const std::string& problem, LearnedRates kind, const InnerOptimizer& by,
                     const TinyEpisodes& world, const std::vector<std::int64_t>& tasks) {
  return problem == "analytic" ? analytic(kind, by, tasks) : prompted(kind, by, world, tasks);
}

Params together(const Params& theta_T, const Params& rates_T) {
  Params out = theta_T;
  for (const auto& [name, value] : rates_T) out.set(kRatePrefix + name, value);
  return out;
}

Params unrolled(const InnerCase& c, const std::vector<double>& query_weights, Slopes slopes) {
  const Params theta = c.theta_T.leaves(), learned = c.problem.rates.learned_T().leaves();
  return grad(outer_loss(c.problem, theta, learned, query_weights, slopes),
              together(theta, learned));
}

Params differences(const InnerCase& c, const std::vector<double>& query_weights) {
  constexpr double kStep = 1e-5;
  const Params theta = c.theta_T.leaves(), learned = c.problem.rates.learned_T();
  Params out;
  for (const auto& [name, value] : together(theta, learned)) {
    const at::Tensor base = value.detach().contiguous();
    const at::Tensor slope = at::zeros_like(base);
    for (std::int64_t i = 0; i < base.numel(); ++i) {
      const auto moved = [&](double by) {
        const at::Tensor shifted = base.clone();
        shifted.view(-1)[i].add_(by);
        Params at_theta = theta, at_rates = learned;
        if (theta.contains(name))
          at_theta.set(name, shifted.requires_grad_());
        else
          at_rates.set(name.substr(std::string_view(kRatePrefix).size()), shifted);
        return outer_loss(c.problem, at_theta, at_rates, query_weights, Slopes::constants)
            .item<double>();
      };
      slope.view(-1)[i].fill_((moved(kStep) - moved(-kStep)) / (2 * kStep));
    }
    out.set(name, slope);
  }
  return out;
}

}  // namespace metaloom
