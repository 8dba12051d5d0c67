// What SPT puts before the text (Zhu & Tan 2023): generated prompt rows at the
// inputs of layers, mixed with the rows that come from below, and the gates that say how much.
// Legend: R rows, L positions, P prompt rows, D width, N layers of the backbone.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <vector>

#include "models/backbone.h"
#include "models/prompt_generator.h"

namespace metaloom {

/// a_i * detach(S) / S with S = sum a: the value of `a` bit for bit, but dL/da_i becomes
/// g_i - (1/S) sum_j g_j a_j, so that a gate rises only if it is of more use than the others.
at::Tensor reparameterised(const at::Tensor& a);

/// The `count` positions among the first `positions` gates with the largest values (ties: the
/// lower one), ascending. Throws Error{non_finite} where a gate is NaN.
std::vector<int> largest_gates(const at::Tensor& gates, std::int64_t positions, std::int64_t count);

struct PromptDropout {
  const Rng* rng = nullptr;  // none: no dropout
  double rate = 0;
  std::int64_t copies = 1;  // the batch holds the same rows this often and drops the same in each
};

/// Prompt rows at the positions that have a generator:
///   p_i = (1 - tau g_i) p_(i-1) + g_i G_i(h_i),
/// with a gate g per row and position, or 1 where there are no gates (the final net). Below the
/// lowest position no rows exist.
class GeneratedPrompts final : public LayerPrompts {
 public:
  /// gate_RN [R, >= positions] or undefined. length_R: valid tokens of each row.
  GeneratedPrompts(std::map<int, PromptGenerator> generators, at::Tensor gate_RN, double tau,
                   const Batch& batch, std::int64_t prompt_rows, PromptDropout dropout);

  at::Tensor at(int position, const at::Tensor& text_RLD, const at::Tensor& mask_RL,
                const at::Tensor& below_RPD) const override;
  int lowest() const override { return generators_.begin()->first; }

 private:
  at::Tensor dropped(const at::Tensor& rows_RPD, int position) const;

  std::map<int, PromptGenerator> generators_;
  at::Tensor gate_RN_, pool_RPL_;
  double tau_;
  PromptDropout dropout_;
};

}  // namespace metaloom
