// Seam: one step of an inner loop, and the way back through it. T tasks are treated at once: fast
// weights and what an optimizer remembers of them are [T, ...], and no task's numbers reach
// another's. Laws (tests/methods/inner_optimizer_laws_test.cpp): the way back equals finite
// differences in fp64 and unrolled autograd, through the state, the slope and learned rates.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "core/config/fields.h"
#include "core/params.h"

namespace metaloom {

/// Where an inner loop stands.
struct InnerState {
  Params phi;     // fast weights, [T, ...]
  Params memory;  // what the optimizer remembers (Adam: two moments), [T, ...], by names of its own
};

/// Derivatives of one number by what a step reads; none of them carries a graph.
struct StepCotangents {
  InnerState state;
  Params slope;
  Params rates;  // of learned ones alone
};

/// Whether a rate is learned: it is then [T, ...], broadcast over the fast weight [T, ...] of its
/// name. A constant is one number: a tensor without dimensions, fp64, on the CPU.
inline bool is_learned(const at::Tensor& rate) {
  return rate.dim() > 0;
}
at::Tensor constant_rate(double rate);

class InnerOptimizer {
 public:
  static constexpr const char* kSeam = "inner optimizer";
  /// `section` is the `[method]` table, of which it reads its own keys and leaves the others alone.
  using Factory = std::function<std::unique_ptr<InnerOptimizer>(const Table& section)>;

  virtual ~InnerOptimizer() = default;
  /// Its own keys of the section.
  virtual void fields(Fields&) {}
  /// The state before the first step. What it remembers there must not depend on phi.
  virtual InnerState start(const Params& phi_T) const { return {phi_T, {}}; }
  /// The state after step k (0-based), given the support loss's slope at state.phi; `rates` has
  /// every name of phi. A pure function that autograd can follow.
  virtual InnerState step(const InnerState& state, const Params& slope, const Params& rates,
                          std::int64_t k) const = 0;
  /// The way back through step k: (d state after it / d what it reads)^T cotangent. This one goes
  /// by autograd through `step`; an override is for speed, and equal. The arguments may carry
  /// graphs.
  virtual StepCotangents pull_back(const InnerState& state, const Params& slope,
                                   const Params& rates, std::int64_t k,
                                   const InnerState& cotangent) const;
  /// How many numbers it remembers for one of phi.
  virtual double memory_per_weight() const { return 0; }
};

}  // namespace metaloom
