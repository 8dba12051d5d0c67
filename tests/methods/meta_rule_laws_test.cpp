// Laws of every meta-gradient rule with every inner optimizer: an exact one equals central
// differences and the inner loop unrolled under autograd, in fp64, in theta and in learned rates;
// one that is not must fail that very comparison; it asks for what it says it needs; T tasks at
// once equal one at a time; the inner loop is that of adapted_phi; no graph is left behind.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "core/registry.h"
#include "methods/meta/inner_loop.h"
#include "methods/meta/meta_rule.h"
#include "tests/methods/inner_problems.h"

namespace metaloom {
namespace {

constexpr double kProgress = 0.25;

struct On {
  std::string problem;
  LearnedRates rates;
};

class MetaRuleLaws : public testing::TestWithParam<std::tuple<std::string, std::string, On>> {
 protected:
  InnerCase make(const std::vector<std::int64_t>& tasks) const {
    const On& on = std::get<2>(GetParam());
    return inner_case(on.problem, on.rates, *by_, world_, tasks);
  }
  MetaGradient run(const InnerCase& c) const { return rule_->run(c.problem, c.theta_T, kProgress); }

  /// An optimizer that remembers may divide by what it remembers: where that is small, the outer
  /// loss bends sharply, and differences and sums of another order tell less.
  bool remembers() const { return by_->memory_per_weight() > 0; }
  double differences_limit() const {
    return remembers() && std::get<2>(GetParam()).problem == "prompt" ? 5e-3 : 1e-6;
  }

  TinyEpisodes world_{3};
  std::unique_ptr<MetaRule> rule_ = Registry<MetaRule>::make(std::get<0>(GetParam()), Table());
  std::unique_ptr<InnerOptimizer> by_ =
      Registry<InnerOptimizer>::make(std::get<1>(GetParam()), Table());
};

TEST_P(MetaRuleLaws, IsExactlyAsExactAsItClaims) {
  InnerCase c = make({0, 1});
  const auto weights = rule_->needs(c.problem.steps, kProgress).query_weights;
  const Params reference = unrolled(c, weights, Slopes::functions);
  const Params slopes = differences(c, weights);
  EXPECT_LE(relative_distance(reference, slopes), differences_limit());
  for (const std::int64_t kept : {std::int64_t{0}, std::int64_t{1}, c.problem.steps}) {
    c.problem.kept_graphs = kept;
    const Params gradient = together(run(c));
    EXPECT_EQ(gradient.names(), reference.names());
    if (rule_->exact()) {
      EXPECT_LE(relative_distance(gradient, reference), 1e-10) << kept;
      EXPECT_LE(relative_distance(gradient, slopes), differences_limit()) << kept;
    } else {
      EXPECT_GT(relative_distance(gradient, reference), 0.01) << kept;
      EXPECT_GT(relative_distance(gradient, slopes), 0.01) << kept;
    }
  }
}

TEST_P(MetaRuleLaws, AsksForWhatItSaysItNeeds) {
  InnerCase c = make({0, 1});
  const Needs needs = rule_->needs(c.problem.steps, kProgress);
  ASSERT_EQ(std::ssize(needs.query_weights), c.problem.steps + 1);
  bool twice = false;
  std::set<std::int64_t> asked, weighted;
  const auto support = c.problem.support_losses.front();
  c.problem.support_losses.front() = [&](const Params& phi, std::int64_t k, Derivatives often) {
    twice = twice || often == Derivatives::twice;
    return support(phi, k, often);
  };
  const auto query = c.problem.query_loss;
  c.problem.query_loss = [&](const Params& phi, std::int64_t k) {
    asked.insert(k);
    return query(phi, k);
  };
  run(c);
  for (std::int64_t k = 0; k <= c.problem.steps; ++k)
    if (needs.query_weights[k] != 0) weighted.insert(k);
  EXPECT_EQ(asked, weighted);
  EXPECT_EQ(twice, needs.support == Derivatives::twice);
}

TEST_P(MetaRuleLaws, TasksAtOnceEqualOneAtATime) {
  const MetaGradient all = run(make({0, 1, 2}));
  for (std::int64_t t = 0; t < 3; ++t) {
    const MetaGradient one = run(make({t}));
    const auto task_t = [t](const at::Tensor& value) { return value.narrow(0, t, 1); };
    EXPECT_LE(relative_distance(together(all).map(task_t), together(one)),
              remembers() ? 1e-9 : 1e-12);
    EXPECT_LE(relative_distance(all.adapted.map(task_t), one.adapted), 1e-12);
    EXPECT_TRUE(at::allclose(all.query_loss_T.narrow(0, t, 1), one.query_loss_T, 1e-12));
    EXPECT_TRUE(at::allclose(all.support_loss_KT.narrow(1, t, 1), one.support_loss_KT, 1e-12));
  }
}

TEST_P(MetaRuleLaws, AdaptsAsTheInnerLoopDoesAndLeavesNoGraph) {
  const InnerCase c = make({0, 1});
  const MetaGradient meta = run(c);
  EXPECT_EQ(relative_distance(meta.adapted, adapted_phi(c.problem, c.theta_T)), 0);
  EXPECT_EQ(meta.gradient.names(), c.theta_T.names());
  EXPECT_EQ(meta.adapted.names(), c.theta_T.names());
  const Params like = together(c.theta_T, c.problem.rates.learned_T());
  for (const Params& params : {together(meta), meta.adapted})
    for (const auto& [name, value] : params) {
      EXPECT_FALSE(value.requires_grad()) << name;
      EXPECT_EQ(value.sizes(), like.at(name).sizes()) << name;
    }
  EXPECT_FALSE(meta.query_loss_T.requires_grad());
  EXPECT_EQ(meta.support_loss_KT.sizes(), at::IntArrayRef({c.problem.steps, 2}));
}

// A task whose numbers break down must not reach the others' gradients.
TEST_P(MetaRuleLaws, ANonFiniteTaskStaysAlone) {
  InnerCase c = make({0, 1});
  const Params healthy = together(run(c));
  const std::string name = c.theta_T.names().front();
  const at::Tensor spoilt = c.theta_T.at(name).contiguous().clone();
  spoilt[1].fill_(std::nan(""));
  c.theta_T.set(name, spoilt);
  const MetaGradient meta = run(c);
  const auto first = [](const at::Tensor& value) { return value.narrow(0, 0, 1); };
  EXPECT_LE(relative_distance(together(meta).map(first), healthy.map(first)), 1e-12);
  EXPECT_FALSE(meta.gradient.at(name)[1].isfinite().any().item<bool>());
  const at::Tensor finite = finite_T(meta);
  EXPECT_TRUE(finite[0].item<bool>());
  EXPECT_FALSE(finite[1].item<bool>());
}

TEST_P(MetaRuleLaws, MoreWorkCostsMore) {
  InnerWork work{.support = {1e9, 1e8}, .query = {2e9, 2e8}, .fast_bytes = 1e6};
  const Cost few = rule_->cost(work);
  EXPECT_GT(few.flops, 0);
  EXPECT_GT(few.peak_bytes, 0);
  const auto with = [&](const std::function<void(InnerWork&)>& change) {
    InnerWork more = work;
    change(more);
    return rule_->cost(more);
  };
  EXPECT_GT(with([](InnerWork& w) { w.support.flops *= 2; }).flops, few.flops);
  EXPECT_GT(with([](InnerWork& w) { w.query.flops *= 2; }).flops, few.flops);
  EXPECT_GT(with([](InnerWork& w) { w.gradient += 1; }).flops, few.flops);
  EXPECT_GT(with([](InnerWork& w) { w.recompute = true; }).flops, few.flops);
  EXPECT_GT(with([](InnerWork& w) { w.steps *= 2; }).flops, few.flops);
  EXPECT_GT(with([](InnerWork& w) { w.support.peak_bytes *= 100; }).peak_bytes, few.peak_bytes);
  EXPECT_GT(with([](InnerWork& w) { w.fast_bytes *= 2; }).peak_bytes, few.peak_bytes);
  EXPECT_GT(with([](InnerWork& w) { w.memory += 1; }).peak_bytes, few.peak_bytes);
  EXPECT_GT(with([](InnerWork& w) { w.rate_bytes = 1e6; }).peak_bytes, few.peak_bytes);
}

INSTANTIATE_TEST_SUITE_P(All, MetaRuleLaws,
                         testing::Combine(testing::ValuesIn(Registry<MetaRule>::names()),
                                          testing::ValuesIn(Registry<InnerOptimizer>::names()),
                                          testing::Values(On{"analytic", LearnedRates::constant},
                                                          On{"analytic", LearnedRates::per_tensor},
                                                          On{"analytic", LearnedRates::per_step},
                                                          On{"analytic", LearnedRates::per_element},
                                                          On{"prompt", LearnedRates::constant},
                                                          On{"prompt", LearnedRates::per_step})),
                         [](const auto& info) {
                           const On& on = std::get<2>(info.param);
                           std::string name = std::get<0>(info.param) + "_" +
                                              std::get<1>(info.param) + "_" + on.problem + "_" +
                                              word_of(on.rates);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// What first order means here, for theta and for rates: slopes are constants on the way back.
TEST(FirstOrderMaml, IsTheUnrolledLoopWithItsSlopesHeldConstant) {
  const TinyEpisodes world(3);
  const auto rule = Registry<MetaRule>::make("fomaml", Table());
  for (const std::string& by : Registry<InnerOptimizer>::names()) {
    const auto optimizer = Registry<InnerOptimizer>::make(by, Table());
    for (const LearnedRates kind : {LearnedRates::constant, LearnedRates::per_step}) {
      const InnerCase c = inner_case("analytic", kind, *optimizer, world, {0, 1});
      const Params found = together(rule->run(c.problem, c.theta_T, 0));
      const Params reference = unrolled(c, last_query(c.problem.steps), Slopes::constants);
      EXPECT_LE(relative_distance(found, reference), 1e-12) << by;
    }
  }
}

TEST(Proximal, PullsEveryTaskBackToItsTheta) {
  Params theta, phi;
  theta.set("a", Rng(1).normal_tensor({2, 3}, 1, at::kDouble));
  phi.set("a", Rng(2).normal_tensor({2, 3}, 1, at::kDouble).requires_grad_());
  const at::Tensor loss_T = proximal(theta, 0.6)(phi, 0, Derivatives::once);
  const at::Tensor away = (phi.at("a") - theta.at("a")).detach();
  EXPECT_TRUE(at::allclose(loss_T.detach(), 0.3 * away.pow(2).sum(1), 1e-12));
  EXPECT_TRUE(at::allclose(grad(loss_T.sum(), phi).at("a"), 0.6 * away, 1e-12));
}

}  // namespace
}  // namespace metaloom
