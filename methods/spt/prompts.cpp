#include "methods/spt/prompts.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace metaloom {

at::Tensor reparameterised(const at::Tensor& a) {
  const at::Tensor sum = a.sum();
  return a * (sum.detach() / sum);
}

std::vector<int> largest_gates(const at::Tensor& gates, std::int64_t positions,
                               std::int64_t count) {
  const at::Tensor values = gates.detach().to(at::kCPU, at::kDouble).contiguous();
  const double* value = values.data_ptr<double>();
  if (!std::all_of(value, value + positions, [](double x) { return std::isfinite(x); })) {
    throw Error(Fault::non_finite, "a gate is not a finite number", "gates",
                "Lower method.gate_rate or the learning rate.");
  }
  std::vector<int> order(static_cast<std::size_t>(positions));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int i, int j) { return value[i] > value[j]; });
  order.resize(static_cast<std::size_t>(count));
  std::sort(order.begin(), order.end());
  return order;
}

GeneratedPrompts::GeneratedPrompts(std::map<int, PromptGenerator> generators, at::Tensor gate_RN,
                                   double tau, const Batch& batch, std::int64_t prompt_rows,
                                   PromptDropout dropout)
    : generators_(std::move(generators)),
      gate_RN_(std::move(gate_RN)),
      pool_RPL_(pooling_RPL(batch.length_R, batch.ids_RL.size(1), prompt_rows, at::kDouble)),
      tau_(tau),
      dropout_(dropout) {}

at::Tensor GeneratedPrompts::dropped(const at::Tensor& rows_RPD, int position) const {
  if (dropout_.rng == nullptr || dropout_.rate <= 0) return rows_RPD;
  std::vector<std::int64_t> shape = rows_RPD.sizes().vec();
  shape[0] /= dropout_.copies;
  const at::Tensor mask_RPD =
      dropout_.rng->at({position}).dropout_mask(shape, dropout_.rate, rows_RPD.scalar_type());
  return rows_RPD * mask_RPD.repeat({dropout_.copies, 1, 1}).to(rows_RPD.device());
}

at::Tensor GeneratedPrompts::at(int position, const at::Tensor& text_RLD, const at::Tensor&,
                                const at::Tensor& below_RPD) const {
  const auto found = generators_.find(position);
  if (found == generators_.end()) return below_RPD;
  const at::Tensor pooled_RPD = at::bmm(pool_RPL_.to(text_RLD.scalar_type()), text_RLD);
  const at::Tensor fresh_RPD = dropped(found->second.rows_RPD(pooled_RPD), position);
  if (!gate_RN_.defined()) {
    return below_RPD.defined() && tau_ != 1 ? at::add(fresh_RPD, below_RPD, 1 - tau_) : fresh_RPD;
  }
  const at::Tensor gate_R11 = gate_RN_.select(1, position).view({-1, 1, 1});
  const at::Tensor added_RPD = gate_R11 * fresh_RPD;
  return below_RPD.defined() ? (1 - tau_ * gate_R11) * below_RPD + added_RPD : added_RPD;
}

}  // namespace metaloom
