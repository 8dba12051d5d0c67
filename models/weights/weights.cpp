#include "models/weights/weights.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "models/weights/products.h"

namespace metaloom {
namespace {

std::string weight_of(const std::string& name) {
  return name + ".weight";
}
std::string bias_of(const std::string& name) {
  return name + ".bias";
}

// x [R, ..., I] as [T, R/T * ..., I]: the rows of a task side by side.
at::Tensor by_task(const at::Tensor& x, std::int64_t tasks) {
  if (x.size(0) % tasks != 0) {
    throw Error(Fault::internal, std::to_string(x.size(0)) + " rows for " + std::to_string(tasks) +
                                     " tasks: every task must have the same number");
  }
  return x.reshape({tasks, x.numel() / (tasks * x.size(-1)), x.size(-1)});
}

// y [T, N, O] with x's leading dimensions.
at::Tensor as_rows(const at::Tensor& y_TNO, const at::Tensor& x) {
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = y_TNO.size(-1);
  return y_TNO.view(shape);
}

at::Tensor over_root_mean_square(const at::Tensor& x, double epsilon) {
  return x * (x.square().mean(-1, /*keepdim=*/true) + epsilon).rsqrt();
}

// x_RLI convolved over its positions with weight [O, I / groups, k].
at::Tensor convolved(const at::Tensor& x_RLI, const at::Tensor& weight, const at::Tensor& bias_O) {
  const at::ScalarType product = weight.scalar_type();
  return at::conv1d(x_RLI.to(product).transpose(1, 2), weight, bias_O.to(product), /*stride=*/1,
                    weight.size(2) / 2,
                    /*dilation=*/1, x_RLI.size(2) / weight.size(1))
      .transpose(1, 2);
}

Params asking_for_gradients(const Params& params) {
  return params.select([&](std::string_view name) { return params.at(name).requires_grad(); });
}

// Those of `values` that are named in `params`, in their place.
void put_into(Params& params, const Params& values) {
  for (const auto& [name, value] : values) {
    if (params.contains(name)) params.set(name, value);
  }
}

}  // namespace

Params SharedWeights::trained() const {
  return asking_for_gradients(params_);
}

SharedWeights SharedWeights::with_own(const Params& values) const {
  SharedWeights copy = *this;
  put_into(copy.params_, values);
  return copy;
}

at::Tensor SharedWeights::linear(const std::string& name, const at::Tensor& x) const {
  const std::string bias = bias_of(name);
  const at::Tensor weight_OI = factor(params_.at(weight_of(name)));
  const at::ScalarType product = weight_OI.scalar_type();
  return linear_map(x.to(product), weight_OI,
                    params_.contains(bias) ? params_.at(bias).to(product) : at::Tensor());
}

at::Tensor SharedWeights::embedding(const std::string& name, const at::Tensor& ids_RL) const {
  const at::Tensor& weight_VD = params_.at(weight_of(name));
  const bool sparse = row_gradients_ && ids_RL.numel() < weight_VD.size(0);
  return at_least_single(
      at::embedding(weight_VD, ids_RL, /*padding_idx=*/-1, /*scale_grad_by_freq=*/false, sparse));
}

at::Tensor SharedWeights::layer_norm(const std::string& name, const at::Tensor& x,
                                     double epsilon) const {
  const std::string bias = bias_of(name);
  const at::Tensor none;
  return at::layer_norm(at_least_single(x), {x.size(-1)}, params_.at(weight_of(name)),
                        params_.contains(bias) ? params_.at(bias) : none, epsilon);
}

at::Tensor SharedWeights::rms_norm(const std::string& name, const at::Tensor& x,
                                   double epsilon) const {
  return over_root_mean_square(at_least_single(x), epsilon) * params_.at(weight_of(name));
}

at::Tensor SharedWeights::tied_decoder(const std::string& name, const std::string& bias,
                                       const at::Tensor& x_ND, const at::Tensor& ids) const {
  const auto chosen = [&](const at::Tensor& all) {
    return factor(ids.defined() ? all.index_select(0, ids) : all);
  };
  const at::Tensor weight_VD = chosen(params_.at(weight_of(name)));
  const at::ScalarType product = weight_VD.scalar_type();
  const at::Tensor bias_V = bias.empty() ? at::Tensor() : chosen(params_.at(bias)).to(product);
  return at_least_single(linear_map(x_ND.to(product), weight_VD, bias_V));
}

at::Tensor SharedWeights::convolution(const std::string& name, const at::Tensor& x_RLI) const {
  return convolved(x_RLI, factor(params_.at(weight_of(name))), params_.at(bias_of(name)));
}

TaskWeights::TaskWeights(Params shared, Params per_task, std::int64_t tasks, Products products)
    : tasks_(tasks) {
  if (tasks < 1) throw Error(Fault::internal, "weights for " + std::to_string(tasks) + " tasks");
  for (const auto& [name, value] : per_task) {
    if (value.dim() < 1 || value.size(0) != tasks) {
      throw Error(Fault::internal,
                  "per-task weights need a leading dimension of " + std::to_string(tasks), name);
    }
  }
  // One task needs none of the batched paths.
  if (tasks == 1) {
    shared_ = SharedWeights(
        shared.merged_with(per_task.map([](const at::Tensor& value) { return value.squeeze(0); })),
        products);
  } else {
    shared_ = SharedWeights(std::move(shared), products);
    per_task_ = std::move(per_task);
  }
}

Params TaskWeights::trained() const {
  const Params shared =
      shared_.trained().select([&](std::string_view name) { return !per_task_.contains(name); });
  return shared.merged_with(asking_for_gradients(per_task_));
}

std::unique_ptr<Weights> TaskWeights::with(const Params& values) const {
  auto copy = std::make_unique<TaskWeights>(*this);
  put_into(copy->per_task_, values);
  copy->shared_ = shared_.with_own(
      values.select([&](std::string_view name) { return !per_task_.contains(name); }));
  return copy;
}

at::Tensor TaskWeights::linear(const std::string& name, const at::Tensor& x) const {
  const std::string weight = weight_of(name), bias = bias_of(name);
  const bool own_weight = per_task_.contains(weight), own_bias = per_task_.contains(bias);
  if (!own_weight && !own_bias) return shared_.linear(name, x);
  const at::Tensor matrix = shared_.factor(own_weight ? per_task_.at(weight) : shared_.at(weight));
  const at::ScalarType product = matrix.scalar_type();
  const at::Tensor x_TNI = by_task(x.to(product), tasks_);
  if (!own_weight) {  // BitFit's case: the bias alone is the task's own
    return as_rows(at::linear(x_TNI, matrix) + per_task_.at(bias).to(product).unsqueeze(1), x);
  }
  const at::Tensor weight_TIO = matrix.transpose(1, 2);
  if (!own_bias && !shared_.contains(bias)) return as_rows(at::bmm(x_TNI, weight_TIO), x);
  const at::Tensor bias_T1O =
      own_bias ? per_task_.at(bias).unsqueeze(1) : shared_.at(bias).view({1, 1, -1});
  return as_rows(at::baddbmm(bias_T1O.to(product), x_TNI, weight_TIO), x);
}

at::Tensor TaskWeights::embedding(const std::string& name, const at::Tensor& ids_RL) const {
  const std::string weight = weight_of(name);
  if (!per_task_.contains(weight)) return shared_.embedding(name, ids_RL);
  const at::Tensor& weight_TVD = per_task_.at(weight);
  // Row v of task t is row t * V + v of one long table.
  const at::Tensor offset_T1 =
      at::arange(tasks_, ids_RL.options()).unsqueeze(1) * weight_TVD.size(1);
  const at::Tensor ids_TN = by_task(ids_RL.unsqueeze(-1), tasks_).squeeze(-1) + offset_T1;
  return at_least_single(at::embedding(weight_TVD.flatten(0, 1), ids_TN.view(ids_RL.sizes())));
}

at::Tensor TaskWeights::layer_norm(const std::string& name, const at::Tensor& x,
                                   double epsilon) const {
  const std::string weight = weight_of(name), bias = bias_of(name);
  if (!per_task_.contains(weight) && !per_task_.contains(bias)) {
    return shared_.layer_norm(name, x, epsilon);
  }
  const at::Tensor x_TND =
      by_task(at::layer_norm(at_least_single(x), {x.size(-1)}, {}, {}, epsilon), tasks_);
  if (!contains(bias)) return as_rows(x_TND * vector(weight), x);
  return as_rows(at::addcmul(vector(bias), x_TND, vector(weight)), x);
}

at::Tensor TaskWeights::rms_norm(const std::string& name, const at::Tensor& x,
                                 double epsilon) const {
  const std::string weight = weight_of(name);
  if (!per_task_.contains(weight)) return shared_.rms_norm(name, x, epsilon);
  return as_rows(
      by_task(over_root_mean_square(at_least_single(x), epsilon), tasks_) * vector(weight), x);
}

at::Tensor TaskWeights::vector(const std::string& full_name) const {
  return per_task_.contains(full_name) ? per_task_.at(full_name).unsqueeze(1)
                                       : shared_.at(full_name);
}

at::Tensor TaskWeights::tied_decoder(const std::string& name, const std::string& bias,
                                     const at::Tensor& x_ND, const at::Tensor& ids) const {
  const std::string weight = weight_of(name);
  const bool own_weight = per_task_.contains(weight), own_bias = per_task_.contains(bias);
  if (!own_weight && !own_bias) return shared_.tied_decoder(name, bias, x_ND, ids);
  const auto chosen = [&ids](const at::Tensor& all, std::int64_t dim) {
    return ids.defined() ? all.index_select(dim, ids) : all;
  };
  const at::Tensor matrix =
      shared_.factor(own_weight ? chosen(per_task_.at(weight), 1) : chosen(shared_.at(weight), 0));
  const at::ScalarType product = matrix.scalar_type();
  const at::Tensor x_TND = by_task(x_ND.to(product), tasks_);
  const auto rows = [&](const at::Tensor& y_TNC) { return at_least_single(as_rows(y_TNC, x_ND)); };
  if (bias.empty()) return rows(at::bmm(x_TND, matrix.transpose(1, 2)));
  const at::Tensor bias_T1C = (own_bias ? chosen(per_task_.at(bias), 1).unsqueeze(1)
                                        : chosen(shared_.at(bias), 0).view({1, 1, -1}))
                                  .to(product);
  if (!own_weight) return rows(at::linear(x_TND, matrix) + bias_T1C);
  return rows(at::baddbmm(bias_T1C, x_TND, matrix.transpose(1, 2)));
}

at::Tensor TaskWeights::convolution(const std::string& name, const at::Tensor& x_RLI) const {
  const std::string weight = weight_of(name), bias = bias_of(name);
  const bool own_weight = per_task_.contains(weight), own_bias = per_task_.contains(bias);
  if (!own_weight && !own_bias) return shared_.convolution(name, x_RLI);
  const auto of_tasks = [&](const std::string& full_name, bool own) {
    if (own) return per_task_.at(full_name).flatten(0, 1);
    const at::Tensor& one = shared_.at(full_name);
    std::vector<std::int64_t> times(static_cast<std::size_t>(one.dim()), 1);
    times.front() = tasks_;
    return one.repeat(times);
  };
  // A task's channels are groups of their own: row n of every task side by side, [N, L, T * I].
  const at::Tensor x_TNLI = by_task(x_RLI, tasks_).unflatten(1, {-1, x_RLI.size(1)});
  const at::Tensor x_NLC = x_TNLI.permute({1, 2, 0, 3}).flatten(2);
  return convolved(x_NLC, shared_.factor(of_tasks(weight, own_weight)), of_tasks(bias, own_bias))
      .unflatten(2, {tasks_, -1})
      .permute({2, 0, 1, 3})
      .flatten(0, 1);
}

bool TaskWeights::contains(const std::string& name) const {
  return per_task_.contains(name) || shared_.contains(name);
}

}  // namespace metaloom
