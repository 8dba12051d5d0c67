#include "models/weights/low_rank.h"

#include <ATen/ATen.h>

#include <string_view>
#include <utility>

#include "core/error.h"

namespace metaloom {
namespace {

constexpr std::string_view kDown = ".lora_A", kUp = ".lora_B";

std::string factor_of(const std::string& name, std::string_view which) {
  return std::string(name).append(which);
}

[[noreturn]] void refuse(const std::string& what, const std::string& name) {
  throw Error(Fault::internal, what, name);
}

// x [R, ..., I] times m [I, O], or [T, I, O]: row r times the matrix of task r / (R / T). In m's
// precision.
at::Tensor times(const at::Tensor& given, const at::Tensor& m) {
  const at::Tensor x = given.to(m.scalar_type());
  if (m.dim() == 2) return at::matmul(x, m);
  const std::int64_t tasks = m.size(0);
  if (x.size(0) % tasks != 0) {
    refuse(std::to_string(x.size(0)) + " rows for " + std::to_string(tasks) +
               " tasks: every task must have the same number",
           "low-rank factors");
  }
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = m.size(2);
  return at::bmm(x.reshape({tasks, x.numel() / (tasks * x.size(-1)), x.size(-1)}), m).view(shape);
}

// y + scale * term in y's precision.
at::Tensor with_term(const at::Tensor& y, const at::Tensor& term, double scale) {
  return at::add(y, term, scale).to(y.scalar_type());
}

// Rows `ids_RL` of m [V, r], or of [T, V, r] those of each row's task.
at::Tensor rows_of(const at::Tensor& m, const at::Tensor& ids_RL) {
  if (m.dim() == 2) return at::embedding(m, ids_RL);
  const std::int64_t tasks = m.size(0);
  const at::Tensor offset_T1 = at::arange(tasks, ids_RL.options()).unsqueeze(1) * m.size(1);
  return at::embedding(m.flatten(0, 1),
                       (ids_RL.reshape({tasks, -1}) + offset_T1).view(ids_RL.sizes()));
}

void check_pair(const std::string& name, const at::Tensor& down, const at::Tensor& up) {
  if ((down.dim() != 2 && down.dim() != 3) || down.dim() != up.dim() ||
      (down.dim() == 3 && down.size(0) != up.size(0))) {
    refuse("low-rank factors must be two matrices, or two of every task", name);
  }
  if (down.size(-2) != up.size(-1)) {
    refuse("low-rank factors of ranks " + std::to_string(down.size(-2)) + " and " +
               std::to_string(up.size(-1)),
           name);
  }
}

}  // namespace

LowRankWeights::LowRankWeights(std::unique_ptr<const Weights> base, Params factors, double scale)
    : base_(std::move(base)), factors_(std::move(factors)), scale_(scale) {
  for (const auto& [factor, value] : factors_) {
    if (!factor.ends_with(kDown) && !factor.ends_with(kUp)) {
      refuse("a low-rank factor is called NAME.lora_A or NAME.lora_B", factor);
    }
    const std::string name = factor.substr(0, factor.size() - kDown.size());
    if (!base_->contains(name + ".weight")) refuse("a low-rank factor of no matrix", factor);
    if (!has_factors(name) || !factors_.contains(factor_of(name, kUp))) {
      refuse("a low-rank factor without its partner", factor);
    }
    check_pair(name, down(name), up(name));
  }
}

bool LowRankWeights::has_factors(const std::string& name) const {
  return factors_.contains(factor_of(name, kDown));
}

const at::Tensor& LowRankWeights::down(const std::string& name) const {
  return factors_.at(factor_of(name, kDown));
}

const at::Tensor& LowRankWeights::up(const std::string& name) const {
  return factors_.at(factor_of(name, kUp));
}

void LowRankWeights::check_none(const std::string& name) const {
  if (has_factors(name)) refuse("low-rank factors are for matrices alone", name);
}

at::Tensor LowRankWeights::linear(const std::string& name, const at::Tensor& x) const {
  const at::Tensor y = base_->linear(name, x);
  if (!has_factors(name)) return y;
  const at::Tensor inner = times(x, down(name).transpose(-2, -1));
  return with_term(y, times(inner, up(name).transpose(-2, -1)), scale_);
}

at::Tensor LowRankWeights::embedding(const std::string& name, const at::Tensor& ids_RL) const {
  const at::Tensor y_RLD = base_->embedding(name, ids_RL);
  if (!has_factors(name)) return y_RLD;
  return with_term(y_RLD, times(rows_of(up(name), ids_RL), down(name)), scale_);
}

at::Tensor LowRankWeights::tied_decoder(const std::string& name, const std::string& bias,
                                        const at::Tensor& x_ND, const at::Tensor& ids) const {
  const at::Tensor y = base_->tied_decoder(name, bias, x_ND, ids);
  if (!has_factors(name)) return y;
  const at::Tensor words = ids.defined() ? up(name).index_select(-2, ids) : up(name);
  const at::Tensor inner = times(x_ND, down(name).transpose(-2, -1));
  return with_term(y, times(inner, words.transpose(-2, -1)), scale_);
}

at::Tensor LowRankWeights::layer_norm(const std::string& name, const at::Tensor& x,
                                      double epsilon) const {
  check_none(name);
  return base_->layer_norm(name, x, epsilon);
}

at::Tensor LowRankWeights::rms_norm(const std::string& name, const at::Tensor& x,
                                    double epsilon) const {
  check_none(name);
  return base_->rms_norm(name, x, epsilon);
}

at::Tensor LowRankWeights::convolution(const std::string& name, const at::Tensor& x_RLI) const {
  check_none(name);
  return base_->convolution(name, x_RLI);
}

bool LowRankWeights::contains(const std::string& name) const {
  return factors_.contains(name) || base_->contains(name);
}

Params LowRankWeights::trained() const {
  return base_->trained().merged_with(
      factors_.select([this](std::string_view name) { return factors_.at(name).requires_grad(); }));
}

std::unique_ptr<Weights> LowRankWeights::with(const Params& values) const {
  const auto is_factor = [this](std::string_view name) { return factors_.contains(name); };
  const Params rest = values.select([&](std::string_view name) { return !is_factor(name); });
  return std::make_unique<LowRankWeights>(base_->with(rest),
                                          factors_.merged_with(values.select(is_factor)), scale_);
}

}  // namespace metaloom
