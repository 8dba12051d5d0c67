// Laws of every inner optimizer: its way back through a step equals the generic one, autograd
// through several steps, and central differences, in fp64, through phi, memory, slope and learned
// rates; no task's numbers reach another's; a wrong way back must fail.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/registry.h"
#include "methods/meta/inner/inner_optimizer.h"
#include "methods/meta/inner_rates.h"
#include "tests/methods/tiny_episodes.h"

namespace metaloom {
namespace {

constexpr std::int64_t kTasks = 3;

Params noise(const Params& like, const char* purpose, double size) {
  std::int64_t index = 0;
  return like.map([&](const at::Tensor& value) {
    return Rng(21, purpose).at({index++}).normal_tensor(value.sizes(), size, at::kDouble);
  });
}

/// Everything a step reads, as one value.
struct Reads {
  InnerState state;
  Params slope, rates;
};

/// A state that some steps have left, so that its memory is not the start's.
Reads made(const InnerOptimizer& by) {
  Params shapes, rates;
  shapes.set("a", at::zeros({kTasks, 4}, at::kDouble));
  shapes.set("b", at::zeros({kTasks, 2, 3}, at::kDouble));
  rates.set("a", constant_rate(0.2));
  rates.set("b", at::full({kTasks, 1, 3}, 0.3, at::kDouble) *
                     (1 + noise(shapes, "rates", 0.1).at("b").narrow(1, 0, 1)));
  Reads out{by.start(noise(shapes, "phi", 1)), noise(shapes, "slope", 1), rates};
  for (std::int64_t k = 0; k < 2; ++k)
    out.state = by.step(out.state, noise(shapes, k == 0 ? "first" : "second", 1), rates, k);
  return out;
}

InnerState cotangent_of(const InnerState& state) {
  return {noise(state.phi, "cotangent phi", 1), noise(state.memory, "cotangent memory", 1)};
}

/// What can be moved: names say whose they are. Constants are no part of it.
Params flat(const Params& phi, const Params& memory, const Params& slope, const Params& rates) {
  Params out;
  for (const auto& [name, value] : phi) out.set("phi " + name, value);
  for (const auto& [name, value] : memory) out.set("memory " + name, value);
  for (const auto& [name, value] : slope) out.set("slope " + name, value);
  for (const auto& [name, value] : rates)
    if (is_learned(value)) out.set("rate " + name, value);
  return out;
}
Params flat(const Reads& reads) {
  return flat(reads.state.phi, reads.state.memory, reads.slope, reads.rates);
}
Params flat(const StepCotangents& found) {
  return flat(found.state.phi, found.state.memory, found.slope, found.rates);
}

Reads moved(const Reads& reads, const Params& direction, double by) {
  const auto along = [&](const char* kind, const Params& values) {
    Params out = values;
    for (const auto& [name, value] : values)
      if (direction.contains(kind + name)) out.set(name, value + by * direction.at(kind + name));
    return out;
  };
  return {{along("phi ", reads.state.phi), along("memory ", reads.state.memory)},
          along("slope ", reads.slope),
          along("rate ", reads.rates)};
}

/// Slopes along random directions against differences of <cotangent, step>, relative.
double error_of(const InnerOptimizer& by, const StepCotangents& found, const Reads& reads) {
  constexpr double kStep = 1e-6;
  const InnerState cotangent = cotangent_of(reads.state);
  const auto value = [&](const Reads& at_reads) {
    const InnerState to = by.step(at_reads.state, at_reads.slope, at_reads.rates, 2);
    return (dot(to.phi, cotangent.phi) + dot(to.memory, cotangent.memory)).item<double>();
  };
  double worst = 0;
  for (const auto& [name, gradient] : flat(found)) {
    Params direction;
    direction.set(name, Rng(3, name).normal_tensor(gradient.sizes(), 1, at::kDouble));
    const double difference =
        (value(moved(reads, direction, kStep)) - value(moved(reads, direction, -kStep))) /
        (2 * kStep);
    const double slope = (gradient * direction.at(name)).sum().item<double>();
    worst = std::max(worst, std::abs(slope - difference) / (1e-3 + std::abs(difference)));
  }
  return worst;
}

class InnerOptimizerLaws : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<InnerOptimizer> by_ = Registry<InnerOptimizer>::make(GetParam(), Table());
};

TEST_P(InnerOptimizerLaws, TheWayBackIsTheDerivativeOfTheStep) {
  const Reads reads = made(*by_);
  const InnerState cotangent = cotangent_of(reads.state);
  const StepCotangents found = by_->pull_back(reads.state, reads.slope, reads.rates, 2, cotangent);
  EXPECT_EQ(flat(found).names(), flat(reads).names());
  EXPECT_LE(error_of(*by_, found, reads), 1e-5);
  const StepCotangents generic =
      by_->InnerOptimizer::pull_back(reads.state, reads.slope, reads.rates, 2, cotangent);
  EXPECT_LE(relative_distance(flat(found), flat(generic)), 1e-12);
  for (const auto& [name, value] : flat(found)) {
    EXPECT_FALSE(value.requires_grad()) << name;
    EXPECT_EQ(value.sizes(), flat(reads).at(name).sizes()) << name;
  }

  StepCotangents wrong = found;  // the control: the sign of plain ascent
  wrong.slope = found.slope.map([](const at::Tensor& value) { return -value; });
  EXPECT_GT(error_of(*by_, wrong, reads), 0.1);
}

TEST_P(InnerOptimizerLaws, StepByStepBackEqualsAutogradThroughAllOfThem) {
  const Reads reads = made(*by_);
  const InnerState cotangent = cotangent_of(reads.state);
  const InnerState from{reads.state.phi.leaves(), reads.state.memory.leaves()};
  const Params learned = flat({}, {}, {}, reads.rates).leaves();
  Params rates = reads.rates;
  rates.set("b", learned.at("rate b"));
  // A slope that depends on phi, as that of a support loss does.
  const auto slope_at = [](const Params& phi) {
    return phi.map([](const at::Tensor& value) { return at::sin(value) + 0.5; });
  };
  std::vector<InnerState> states{from};
  for (std::int64_t k = 0; k < 3; ++k)
    states.push_back(by_->step(states.back(), slope_at(states.back().phi), rates, k));
  const at::Tensor outer =
      dot(states.back().phi, cotangent.phi) + dot(states.back().memory, cotangent.memory);
  const Params reference = grad(outer, flat(from.phi, from.memory, {}, rates));

  InnerState adjoint = cotangent;
  at::Tensor rate_sum = at::zeros_like(reads.rates.at("b"));
  for (std::int64_t k = 2; k >= 0; --k) {
    const Params phi = states[k].phi.leaves();
    const Params slope = slope_at(phi);
    const StepCotangents back =
        by_->pull_back({phi, states[k].memory.detached()}, slope, reads.rates, k, adjoint);
    adjoint = {axpy(1, vjp(slope, back.slope, phi), back.state.phi), back.state.memory};
    rate_sum = rate_sum + back.rates.at("b");
  }
  Params rates_found;
  rates_found.set("b", rate_sum);
  EXPECT_LE(relative_distance(flat(adjoint.phi, adjoint.memory, {}, rates_found), reference),
            1e-12);
}

TEST_P(InnerOptimizerLaws, TasksAreApartAndTheArgumentsStay) {
  const Reads reads = made(*by_);
  const Params before = flat(reads).map([](const at::Tensor& value) { return value.clone(); });
  const InnerState to = by_->step(reads.state, reads.slope, reads.rates, 2);
  EXPECT_EQ(relative_distance(flat(reads), before), 0);
  EXPECT_EQ(to.phi.names(), reads.state.phi.names());
  EXPECT_EQ(to.memory.names(), reads.state.memory.names());
  EXPECT_EQ(by_->memory_per_weight(),
            static_cast<double>(to.memory.numel()) / static_cast<double>(to.phi.numel()));
  const auto first = [](const at::Tensor& value) {
    return value.dim() > 0 ? value.narrow(0, 0, 1) : value;
  };
  const InnerState alone = by_->step({reads.state.phi.map(first), reads.state.memory.map(first)},
                                     reads.slope.map(first), reads.rates.map(first), 2);
  EXPECT_LE(relative_distance(flat(to.phi, to.memory, {}, {}).map(first),
                              flat(alone.phi, alone.memory, {}, {})),
            1e-14);
}

INSTANTIATE_TEST_SUITE_P(All, InnerOptimizerLaws,
                         testing::ValuesIn(Registry<InnerOptimizer>::names()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// Learned or constant, a rate of one value makes the same step; the constant's is at::sub's own.
TEST(InnerSgd, IsValueMinusRateTimesSlope) {
  const auto sgd = Registry<InnerOptimizer>::make("sgd", Table());
  Params phi, slope, constant, learned;
  phi.set("a", Rng(1).normal_tensor({2, 5}, 1, at::kFloat));
  slope.set("a", Rng(2).normal_tensor({2, 5}, 1, at::kFloat));
  constant.set("a", constant_rate(0.3));
  learned.set("a", at::full({2, 1}, 0.3, at::kFloat));
  const at::Tensor plain = sgd->step({phi, {}}, slope, constant, 0).phi.at("a");
  EXPECT_TRUE(at::equal(plain, at::sub(phi.at("a"), slope.at("a"), 0.3)));
  EXPECT_EQ(plain.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::allclose(plain, sgd->step({phi, {}}, slope, learned, 0).phi.at("a"), 1e-6));
}

TEST(InnerRates, StepsBeyondTheLastTakeItsRateAndGradientsAddUp) {
  Params weights, constants;
  weights.set("a", at::zeros({2, 3}, at::kDouble));
  constants.set("a", constant_rate(0.5));
  const auto shape = [&](LearnedRates kind) {
    return initial_rates(kind, constants, weights, 4).at("rate.a").sizes().vec();
  };
  EXPECT_TRUE(initial_rates(LearnedRates::constant, constants, weights, 4).empty());
  EXPECT_EQ(shape(LearnedRates::per_tensor), (std::vector<std::int64_t>{1, 1, 1}));
  EXPECT_EQ(shape(LearnedRates::per_step), (std::vector<std::int64_t>{4, 1, 1}));
  EXPECT_EQ(shape(LearnedRates::per_element), (std::vector<std::int64_t>{1, 2, 3}));
  Params learned;
  learned.set("a", at::arange(4, at::kDouble).view({1, 4, 1, 1}));
  const InnerRates rates(constants, learned);
  EXPECT_EQ(rates.at(2).at("a").item<double>(), 2);
  EXPECT_EQ(rates.at(9).at("a").item<double>(), 3);
  Params sums = learned.map([](const at::Tensor& value) { return at::zeros_like(value); });
  Params one;
  one.set("a", at::ones({1, 1, 1}, at::kDouble));
  for (const std::int64_t k : {1, 3, 7}) rates.add(sums, one, k);
  EXPECT_TRUE(at::equal(sums.at("a").flatten(), at::tensor({0.0, 1.0, 0.0, 2.0}, at::kDouble)));
}

}  // namespace
}  // namespace metaloom
