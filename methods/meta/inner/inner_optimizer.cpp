#include "methods/meta/inner/inner_optimizer.h"

#include <ATen/ATen.h>

namespace metaloom {
namespace {

// Autograd is asked once for everything that a step reads: names are told apart by what they are.
void put(Params& all, const std::string& kind, const Params& some) {
  for (const auto& [name, value] : some) all.set(kind + name, value);
}

Params taken(const Params& all, const std::string& kind, const Params& like) {
  Params out;
  for (const auto& [name, value] : like) out.set(name, all.at(kind + name));
  return out;
}

}  // namespace

at::Tensor constant_rate(double rate) {
  return at::scalar_tensor(rate, at::kDouble);
}

StepCotangents InnerOptimizer::pull_back(const InnerState& state, const Params& slope,
                                         const Params& rates, std::int64_t k,
                                         const InnerState& cotangent) const {
  const InnerState from{state.phi.leaves(), state.memory.leaves()};
  const Params slope_at = slope.leaves();
  const Params learned =
      rates.select([&](std::string_view name) { return is_learned(rates.at(name)); }).leaves();
  const InnerState to = step(from, slope_at, rates.merged_with(learned), k);

  Params outputs, cotangents, inputs;
  put(outputs, "phi ", to.phi);
  put(outputs, "memory ", to.memory);
  put(cotangents, "phi ", cotangent.phi);
  put(cotangents, "memory ", cotangent.memory);
  put(inputs, "phi ", from.phi);
  put(inputs, "memory ", from.memory);
  put(inputs, "slope ", slope_at);
  put(inputs, "rate ", learned);
  const Params found = vjp(outputs, cotangents, inputs);
  return {{taken(found, "phi ", from.phi), taken(found, "memory ", from.memory)},
          taken(found, "slope ", slope_at),
          taken(found, "rate ", learned)};
}

}  // namespace metaloom
