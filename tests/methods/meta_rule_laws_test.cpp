// Laws of every meta-gradient rule: an exact one equals central differences and the inner loop
// unrolled under autograd, in fp64; one that is not must fail that very comparison; T tasks at once
// equal one at a time; the inner loop is that of adapt_by_sgd; no graph is left behind.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/registry.h"
#include "methods/meta/meta_rule.h"
#include "methods/metaprompting/cloze_pack.h"
#include "tests/methods/tiny_episodes.h"

namespace metaloom {
namespace {

/// An inner problem over some tasks, theta expanded to them, and what both refer to.
struct Case {
  InnerProblem problem;
  Params theta_T;
};

Params stacked(const Params& theta, std::int64_t tasks) {
  return theta.map([tasks](const at::Tensor& value) {
    std::vector<std::int64_t> shape{tasks};
    shape.insert(shape.end(), value.sizes().begin(), value.sizes().end());
    return value.unsqueeze(0).expand(shape);
  });
}

/// Two parameters, coupled and far from quadratic; each task has its own targets; each step
/// another weight; one of the parameters has its own inner rate.
Case analytic(const std::vector<std::int64_t>& tasks) {
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
  Case out;
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
  out.problem.rate = 0.05;
  out.problem.rates["b"] = 0.12;
  Params theta;
  theta.set("a", Rng(5, "a").normal_tensor({3}, 0.8, at::kDouble));
  theta.set("b", Rng(5, "b").normal_tensor({2, 2}, 0.8, at::kDouble));
  out.theta_T = stacked(theta, count);
  return out;
}

/// A soft prompt before a tiny BERT.
Case prompted(const TinyEpisodes& world, const std::vector<std::int64_t>& tasks) {
  std::vector<Task> pack;
  for (const std::int64_t t : tasks) pack.push_back(world.tasks.at(t));
  const Template frame("<soft:2> {text} , the topic is [MASK] .", *world.pretrained.vocabulary, 24,
                       true);
  const auto cloze =
      std::make_shared<ClozePack>(*world.pretrained.backbone, world.pretrained.weights, frame, pack,
                                  ClassPieces({&world.dataset}));
  Case out;
  out.problem.support_losses = {[cloze](const Params& phi, std::int64_t, Derivatives derivatives) {
    return cloze->support_losses_T(
        phi, derivatives == Derivatives::twice ? Attention::math : Attention::fused, 0);
  }};
  out.problem.query_loss = [cloze](const Params& phi, std::int64_t) {
    return cloze->query_losses_T(cloze->query_logits_RN(phi));
  };
  out.problem.steps = 3;
  out.problem.rate = 3;  // steep: first and second order differ widely
  Params theta;
  theta.set(kSoftPrompt, Rng(5, "soft").normal_tensor({2, 16}, 0.3, at::kDouble));
  out.theta_T = cloze->fast_weights(theta);
  return out;
}

Case make_case(const std::string& kind, const TinyEpisodes& world,
               const std::vector<std::int64_t>& tasks) {
  return kind == "analytic" ? analytic(tasks) : prompted(world, tasks);
}

/// The inner loop as one graph, differentiated through.
Params unrolled(const Case& c) {
  const Params theta = c.theta_T.leaves();
  Params phi = theta;
  for (std::int64_t k = 0; k < c.problem.steps; ++k) {
    at::Tensor loss = at::zeros({}, at::kDouble);
    for (const auto& support_loss : c.problem.support_losses)
      loss = loss + support_loss(phi, k, Derivatives::twice).sum();
    const Params g = grad(loss, phi, true);
    Params next;
    for (const auto& [name, value] : phi)
      next.set(name, value - c.problem.rate_of(name) * g.at(name));
    phi = next;
  }
  return grad(c.problem.query_loss(phi, c.problem.steps).sum(), theta);
}

double outer_loss(const Case& c, const Params& theta_T) {
  const Params phi = adapt_by_sgd(c.problem, theta_T);
  return c.problem.query_loss(phi, c.problem.steps).sum().item<double>();
}

/// Central differences in every coordinate of every task.
Params differences(const Case& c) {
  constexpr double kStep = 1e-5;
  Params out;
  for (const auto& [name, value] : c.theta_T) {
    const at::Tensor base = value.contiguous();
    const at::Tensor slope = at::zeros_like(base);
    for (std::int64_t i = 0; i < base.numel(); ++i) {
      const auto moved = [&](double by) {
        const at::Tensor shifted = base.clone();
        shifted.view(-1)[i].add_(by);
        Params theta = c.theta_T;
        theta.set(name, shifted);
        return outer_loss(c, theta);
      };
      slope.view(-1)[i].fill_((moved(kStep) - moved(-kStep)) / (2 * kStep));
    }
    out.set(name, slope);
  }
  return out;
}

class MetaRuleLaws : public testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  std::unique_ptr<MetaRule> rule() const {
    return Registry<MetaRule>::make(std::get<0>(GetParam()));
  }
  Case make(const std::vector<std::int64_t>& tasks) const {
    return make_case(std::get<1>(GetParam()), world_, tasks);
  }
  TinyEpisodes world_{3};
};

TEST_P(MetaRuleLaws, IsExactlyAsExactAsItClaims) {
  const Case c = make({0, 1});
  const Params reference = unrolled(c), slopes = differences(c);
  EXPECT_LE(relative_distance(reference, slopes), 1e-6);
  const auto rule = this->rule();
  for (const std::int64_t kept : {std::int64_t{0}, std::int64_t{1}, c.problem.steps}) {
    InnerProblem problem = c.problem;
    problem.kept_graphs = kept;
    const Params gradient = rule->run(problem, c.theta_T).gradient;
    if (rule->exact()) {
      EXPECT_LE(relative_distance(gradient, reference), 1e-10) << kept;
      EXPECT_LE(relative_distance(gradient, slopes), 1e-6) << kept;
    } else {
      EXPECT_GT(relative_distance(gradient, reference), 0.1) << kept;
      EXPECT_GT(relative_distance(gradient, slopes), 0.1) << kept;
    }
  }
}

TEST_P(MetaRuleLaws, TasksAtOnceEqualOneAtATime) {
  const Case together = make({0, 1, 2});
  const MetaGradient all = rule()->run(together.problem, together.theta_T);
  for (std::int64_t t = 0; t < 3; ++t) {
    const Case alone = make({t});
    const MetaGradient one = rule()->run(alone.problem, alone.theta_T);
    const auto task_t = [t](const at::Tensor& value) { return value.narrow(0, t, 1); };
    EXPECT_LE(relative_distance(all.gradient.map(task_t), one.gradient), 1e-12);
    EXPECT_LE(relative_distance(all.adapted.map(task_t), one.adapted), 1e-12);
    EXPECT_TRUE(at::allclose(all.query_loss_T.narrow(0, t, 1), one.query_loss_T, 1e-12));
    EXPECT_TRUE(at::allclose(all.support_loss_KT.narrow(1, t, 1), one.support_loss_KT, 1e-12));
  }
}

TEST_P(MetaRuleLaws, AdaptsAsTheInnerLoopDoesAndLeavesNoGraph) {
  const Case c = make({0, 1});
  const MetaGradient meta = rule()->run(c.problem, c.theta_T);
  EXPECT_EQ(relative_distance(meta.adapted, adapt_by_sgd(c.problem, c.theta_T)), 0);
  EXPECT_EQ(meta.gradient.names(), c.theta_T.names());
  for (const Params* params : {&meta.gradient, &meta.adapted})
    for (const auto& [name, value] : *params) {
      EXPECT_FALSE(value.requires_grad()) << name;
      EXPECT_EQ(value.sizes(), c.theta_T.at(name).sizes()) << name;
    }
  EXPECT_FALSE(meta.query_loss_T.requires_grad());
  EXPECT_EQ(meta.support_loss_KT.sizes(), at::IntArrayRef({c.problem.steps, 2}));
}

INSTANTIATE_TEST_SUITE_P(All, MetaRuleLaws,
                         testing::Combine(testing::ValuesIn(Registry<MetaRule>::names()),
                                          testing::Values("analytic", "prompt")),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" + std::get<1>(info.param);
                         });

// A task whose numbers break down must not reach the others' gradients.
TEST(MetaRules, ANonFiniteTaskStaysAlone) {
  for (const std::string& name : Registry<MetaRule>::names()) {
    Case c = analytic({0, 1});
    const auto rule = Registry<MetaRule>::make(name);
    const Params healthy = rule->run(c.problem, c.theta_T).gradient;
    Params broken = c.theta_T;
    const at::Tensor a = c.theta_T.at("a").contiguous().clone();
    a[1].fill_(std::nan(""));
    broken.set("a", a);
    const Params gradient = rule->run(c.problem, broken).gradient;
    const auto first = [](const at::Tensor& value) { return value.narrow(0, 0, 1); };
    EXPECT_EQ(relative_distance(gradient.map(first), healthy.map(first)), 0) << name;
    EXPECT_FALSE(gradient.at("a")[1].isfinite().any().item<bool>()) << name;
  }
}

}  // namespace
}  // namespace metaloom
