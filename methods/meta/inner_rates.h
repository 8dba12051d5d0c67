// Learning rates of an inner loop, by the names of the fast weights: constants, or tensors that are
// learned with theta. A learned one is an entry "rate.NAME" of theta, [S, ...]: S is 1 or the
// number of inner steps, what follows broadcasts over the weight NAME. Literature: Meta-SGD (Li et
// al. 2017) learns one per element, MAML++'s LSLR (Antoniou et al. 2019) one per tensor and step.
// Legend: T tasks, S steps told apart.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/params.h"
#include "methods/theta.h"

namespace metaloom {

/// What an inner learning rate is learned for; none is learned where they are constant.
enum class LearnedRates { constant, per_tensor, per_step, per_element };
constexpr std::array<std::string_view, 4> words_of(LearnedRates) {
  return {"constant", "per_tensor", "per_tensor_and_step", "per_element"};
}

/// The prefix of learned inner rates in theta.
inline constexpr const char* kRatePrefix = "rate.";

/// theta's entries for learned rates of these fast weights of theta, beginning at `constants`;
/// empty where none is learned.
Params initial_rates(LearnedRates kind, const Params& constants, const Params& weights,
                     std::int64_t steps);
/// The learned rates in theta, by the names of the weights they are for: [S, ...].
Params learned_rates(const Params& theta);
/// Their parameter groups, beside `groups` of the weights that they are for: the same outer rate,
/// which is of the weights' size as inner rates are; no weight decay, which would draw rates to
/// zero.
std::vector<ParameterGroup> rate_groups(const Params& theta,
                                        const std::vector<ParameterGroup>& groups);

class InnerRates {
 public:
  InnerRates() = default;
  /// `constants` (constant_rate): one for every name; `learned_T`: [T, S, ...], of those that are
  /// learned.
  explicit InnerRates(Params constants, Params learned_T = {})
      : constants_(std::move(constants)), learned_T_(std::move(learned_T)) {}

  /// What step k multiplies with: a constant, or [T, ...]. Steps beyond the last that has a rate of
  /// its own take that one's.
  Params at(std::int64_t k) const;
  const Params& learned_T() const { return learned_T_; }
  /// Adds gradients of at(k) to `sums` [T, S, ...], in place.
  void add(Params& sums, const Params& gradient, std::int64_t k) const;

 private:
  Params constants_, learned_T_;
};

}  // namespace metaloom
