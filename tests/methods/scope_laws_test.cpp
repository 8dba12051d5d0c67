// Laws of every scope: names fit; groups and rates cover the fast weights; fast weights cut to a
// pack's words read as the whole does; the sum over T packs of one task equals that of one pack of
// T; adapted theta reads as the fast weights it came from; the model it carries on is what is read.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "core/registry.h"
#include "methods/meta/inner/inner_optimizer.h"
#include "methods/metaprompting/cloze_pack.h"
#include "tests/methods/tiny_episodes.h"

namespace metaloom {
namespace {

class ScopeLaws : public testing::TestWithParam<std::string> {
 protected:
  Params base(const Params& theta) const { return overlaid(world_.pretrained.weights, theta); }
  ClozePack pack(const Params& theta, const std::vector<Task>& tasks) const {
    return {world_.pretrained, *scope_, base(theta), frame_, tasks, pieces_};
  }
  /// Query losses [T] and their gradients by the fast weights.
  std::pair<at::Tensor, Params> slope(const ClozePack& cloze, const Params& phi_T) const {
    const Params leaves = phi_T.leaves();
    const at::Tensor loss_T = cloze.query_losses_T(cloze.query_logits_RN(leaves));
    return {loss_T.detach(), grad(loss_T.sum(), leaves)};
  }
  Params summed(const std::vector<Task>& tasks) const {
    const ClozePack cloze = pack(theta_, tasks);
    MetaGradient meta;
    meta.gradient = slope(cloze, cloze.fast_weights(theta_)).second;
    return cloze.summed(meta, at::arange(std::ssize(tasks), at::kLong), theta_);
  }
  /// Fast weights that differ from theta's.
  static Params disturbed(const Params& phi_T) {
    return phi_T.map([](const at::Tensor& value) {
      return value + Rng(31).normal_tensor(value.sizes(), 0.05, at::kDouble);
    });
  }

  TinyEpisodes world_{3};
  const Template frame_{"<soft:2> {text} , the topic is [MASK] .", world_.pretrained, 24};
  const ClassPieces pieces_{{&world_.dataset}};
  const ScopeIngredients ingredients_{.pretrained = world_.pretrained,
                                      .soft = {.tokens = 2, .words = "topic about"},
                                      .model_inner_rate = 0.01};
  std::unique_ptr<Scope> scope_ = Registry<Scope>::make(GetParam(), Table(), ingredients_);
  Params theta_ = scope_->initial();
};

TEST_P(ScopeLaws, ItsKeysAreKnownWithoutBuildingIt) {
  EXPECT_EQ(write_fields(*scope_).keys(), keys_of_scope(GetParam()).keys());
}

TEST_P(ScopeLaws, FastWeightsStandInOneGroupAndHaveARate) {
  ASSERT_FALSE(theta_.empty());
  EXPECT_EQ(theta_.names(), scope_->initial().names());
  const ClozePack cloze = pack(theta_, world_.tasks);
  const Params phi_T = cloze.fast_weights(theta_);
  EXPECT_EQ(phi_T.names(), theta_.names());
  for (const auto& [name, value] : phi_T) {
    EXPECT_TRUE(scope_->is_fast(name)) << name;
    EXPECT_EQ(value.size(0), 3) << name;
    EXPECT_FALSE(value.requires_grad()) << name;
  }
  EXPECT_FALSE(scope_->is_fast("rate." + theta_.names().front()));
  std::vector<std::string> covered;
  for (const ParameterGroup& group : scope_->groups(theta_))
    covered.insert(covered.end(), group.parameters.begin(), group.parameters.end());
  std::sort(covered.begin(), covered.end());
  EXPECT_EQ(covered, theta_.names());
  const Params rates = scope_->inner_rates(0.7);
  EXPECT_EQ(rates.names(), theta_.names());
  for (const auto& [name, rate] : rates) EXPECT_FALSE(is_learned(rate)) << name;
  EXPECT_GE(scope_->gradient_work(), 2);
  EXPECT_LE(scope_->gradient_work(), 3);
}

TEST_P(ScopeLaws, TheSumOverPacksOfOneTaskEqualsThePack) {
  const Params all = summed(world_.tasks);
  EXPECT_EQ(all.names(), theta_.names());
  Params sum;
  for (const Task& task : world_.tasks) {
    const Params one = summed({task});
    sum = sum.empty() ? one : axpy(1, one, sum);
  }
  EXPECT_LE(relative_distance(all, sum), 1e-12);
  for (const auto& [name, value] : all) EXPECT_EQ(value.sizes(), theta_.at(name).sizes()) << name;
  EXPECT_GT(relative_distance(summed({world_.tasks[0]}), all), 0.1);  // the control
}

TEST_P(ScopeLaws, FastWeightsOfAPackReadAsTheWholeDoes) {
  const ClozePack cloze = pack(theta_, world_.tasks);
  const auto [loss_T, gradient_T] = slope(cloze, cloze.fast_weights(theta_));
  // All rows of the vocabulary, and no cut anywhere on the way.
  const VocabularyRows whole(*world_.pretrained.backbone);
  for (std::size_t t = 0; t < world_.tasks.size(); ++t) {
    std::vector<const Example*> rows;
    for (const Example& row : world_.tasks[t].query) rows.push_back(&row);
    const Params leaves = scope_->fast(theta_, 1, whole).leaves();
    const Reading reading = scope_->reading(base(theta_), leaves, 1, whole);
    const Batch batch = frame_.frame(rows, 1);
    ForwardOptions options = reading.options(world_.pretrained);
    options.keep_R = batch.read_at_R;
    const at::Tensor logits_QN =
        Verbaliser({world_.tasks[t]}, pieces_)
            .logits(*world_.pretrained.backbone, *reading.weights,
                    world_.pretrained.backbone->encode(*reading.weights, batch, options));
    std::vector<std::int64_t> labels;
    for (const Example* row : rows) labels.push_back(row->target.label);
    const at::Tensor loss = at::nll_loss(logits_QN.log_softmax(1), at::tensor(labels, at::kLong));
    EXPECT_NEAR(loss.item<double>(), loss_T[static_cast<std::int64_t>(t)].item<double>(), 1e-12);
    MetaGradient meta;
    meta.gradient = gradient_T;
    const auto task = at::tensor({static_cast<std::int64_t>(t)}, at::kLong);
    const Params found = cloze.summed(meta, task, theta_);
    const Params wanted =
        grad(loss, leaves).map([](const at::Tensor& value) { return value.squeeze(0); });
    EXPECT_LE(relative_distance(found, wanted), 1e-10);
  }
}

TEST_P(ScopeLaws, AdaptedThetaReadsAsTheFastWeightsItCameFrom) {
  const std::vector<Task> one{world_.tasks[1]};
  const ClozePack cloze = pack(theta_, one);
  const Params phi_T = disturbed(cloze.fast_weights(theta_));
  const at::Tensor wanted = slope(cloze, phi_T).first;
  const Params adapted = cloze.adapted(phi_T, theta_);
  EXPECT_EQ(adapted.names(), theta_.names());
  EXPECT_GT(relative_distance(adapted, theta_), 0);
  const ClozePack again = pack(adapted, one);
  EXPECT_EQ(relative_distance(again.fast_weights(adapted), phi_T), 0);
  const at::Tensor found = slope(again, again.fast_weights(adapted)).first;
  EXPECT_TRUE(at::allclose(found, wanted, 1e-12));
  const at::Tensor before = slope(cloze, cloze.fast_weights(theta_)).first;
  EXPECT_FALSE(at::allclose(before, wanted, 1e-6));
}

// A later stage reads the model without knowing the scope: soft tokens aside, it must be the same.
TEST_P(ScopeLaws, TheModelItCarriesOnIsWhatIsRead) {
  const VocabularyRows whole(*world_.pretrained.backbone);
  const Params theta = disturbed(theta_);
  const Reading reading = scope_->reading(base(theta), scope_->fast(theta, 1, whole), 1, whole);
  const Params model = scope_->model(theta);
  EXPECT_EQ(model.names(), world_.pretrained.weights.names());
  const Batch batch = frame_.frame({&world_.tasks[0].query[0]}, 1);
  const Backbone& backbone = *world_.pretrained.backbone;
  const ForwardOptions options = reading.options(world_.pretrained);
  EXPECT_TRUE(at::allclose(backbone.encode(SharedWeights(model), batch, options),
                           backbone.encode(*reading.weights, batch, options), 1e-12));
}

INSTANTIATE_TEST_SUITE_P(All, ScopeLaws, testing::ValuesIn(Registry<Scope>::names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace metaloom
