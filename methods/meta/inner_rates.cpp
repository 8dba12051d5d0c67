#include "methods/meta/inner_rates.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>
#include <vector>

namespace metaloom {
namespace {

at::Tensor of_step(const at::Tensor& rate_TS, std::int64_t k) {
  return rate_TS.select(1, std::min(k, rate_TS.size(1) - 1));
}

}  // namespace

Params initial_rates(LearnedRates kind, const Params& constants, const Params& weights,
                     std::int64_t steps) {
  Params out;
  if (kind == LearnedRates::constant) return out;
  for (const auto& [name, weight] : weights) {
    std::vector<std::int64_t> shape{kind == LearnedRates::per_step ? steps : 1};
    for (const std::int64_t size : weight.sizes())
      shape.push_back(kind == LearnedRates::per_element ? size : 1);
    out.set(kRatePrefix + name,
            at::full(shape, constants.at(name).item<double>(), weight.options()));
  }
  return out;
}

Params learned_rates(const Params& theta) {
  return under(theta, kRatePrefix);
}

std::vector<ParameterGroup> rate_groups(const Params& theta,
                                        const std::vector<ParameterGroup>& groups) {
  std::vector<ParameterGroup> out;
  for (const ParameterGroup& group : groups) {
    ParameterGroup rates{.name = group.name + "-rates",
                         .parameters = {},
                         .rate_scale = group.rate_scale,
                         .decay = 0.0};
    for (const std::string& name : group.parameters) {
      if (theta.contains(kRatePrefix + name)) rates.parameters.push_back(kRatePrefix + name);
    }
    if (!rates.parameters.empty()) out.push_back(std::move(rates));
  }
  return out;
}

Params InnerRates::at(std::int64_t k) const {
  if (learned_T_.empty()) return constants_;
  return constants_.merged_with(
      learned_T_.map([k](const at::Tensor& rate_TS) { return of_step(rate_TS, k); }));
}

void InnerRates::add(Params& sums, const Params& gradient, std::int64_t k) const {
  for (const auto& [name, value] : gradient) of_step(sums.at(name), k).add_(value);
}

}  // namespace metaloom
