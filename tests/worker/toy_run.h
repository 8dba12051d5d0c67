// A run in miniature for tests of the loop and what surrounds it: a made dataset and a method whose
// theta is four numbers.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "methods/method.h"
#include "sampler/mix/mix.h"
#include "tests/sampler/made_stores.h"
#include "worker/optimizer/flat_params.h"

namespace metaloom {

class ToyMethod : public Method {
 public:
  void fields(Fields&) override {}
  Params initial() const override {
    Params theta;
    theta.set("w", at::ones({4}, at::kDouble));
    return theta;
  }
  std::vector<ParameterGroup> groups(const Params&) const override {
    return {{.name = "all", .parameters = {"w"}}};
  }
  Phase phase(std::int64_t step) const override {
    return {.name = "all", .groups = {"all"}, .draw = step};
  }
  std::vector<TaskOutcome> gradients(const Params& theta, const std::vector<Task>& pack,
                                     const StepContext& context,
                                     GradientSink& sink) const override {
    std::vector<TaskOutcome> out;
    for (const Task& task : pack) {
      const at::Tensor apart =
          theta.at("w") - context.of(task.id).normal_tensor({4}, 1.0, at::kDouble);
      sink.add("w", apart);
      const double squares = apart.square().sum().item<double>();
      out.push_back({.task = task.id,
                     .loss = squares / 2,
                     .metrics = {{"distance", kMean, std::sqrt(squares)}, {"all", kShare, 1}}});
    }
    sink.complete("w");
    return out;
  }
  std::vector<Measure> evaluate(const Params& theta, const Task& task,
                                const StepContext&) const override {
    const double w = theta.at("w").sum().item<double>();
    const auto count = static_cast<double>(task.query.size());
    return {{.name = "accuracy", .averaging = kShare, .mean = 1 / (1 + w * w), .count = count},
            {.name = kLoss, .averaging = kMean, .mean = w * w, .count = count}};
  }
  Params model(const Params&) const override { return {}; }
  Cost cost(const std::vector<TaskShape>&) const override { return {}; }
  Batch batch(const std::vector<Task>&, bool) const override { return {}; }
};

inline FlatParams flat_theta(const ToyMethod& method) {
  return FlatParams(method.initial(), method.groups(method.initial()));
}

/// A mix of one made dataset in `folder`, written there.
inline MixOptions toy_mix(const std::filesystem::path& folder) {
  testing::write(testing::sample("classification"), folder);
  return {.root = folder.string(), .datasets = {"made"}, .slots = 2, .task = {.batch = 4}};
}

}  // namespace metaloom
