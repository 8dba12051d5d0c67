#include "core/params.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/error.h"
#include "core/spelling.h"

namespace metaloom {

const at::Tensor& Params::at(std::string_view name) const {
  const auto it = items_.find(name);
  if (it != items_.end()) return it->second;
  throw Error(Fault::internal, "there is no parameter \"" + std::string(name) + '"', "",
              did_you_mean(std::string(name), names()));
}

std::vector<std::string> Params::names() const {
  std::vector<std::string> out;
  out.reserve(items_.size());
  for (const auto& [name, value] : items_) out.push_back(name);
  return out;
}

std::vector<at::Tensor> Params::tensors() const {
  std::vector<at::Tensor> out;
  out.reserve(items_.size());
  for (const auto& [name, value] : items_) out.push_back(value);
  return out;
}

std::int64_t Params::numel() const {
  std::int64_t sum = 0;
  for (const auto& [name, value] : items_) sum += value.numel();
  return sum;
}

Params Params::map(const std::function<at::Tensor(const at::Tensor&)>& f) const {
  Map out;
  for (const auto& [name, value] : items_) out.emplace_hint(out.end(), name, f(value));
  return Params(std::move(out));
}

Params Params::zip(const Params& other,
                   const std::function<at::Tensor(const at::Tensor&, const at::Tensor&)>& f) const {
  Map out;
  for (const auto& [name, value] : items_) {
    out.emplace_hint(out.end(), name, f(value, other.at(name)));
  }
  return Params(std::move(out));
}

Params Params::select(const std::function<bool(std::string_view)>& keep) const {
  Map out;
  for (const auto& [name, value] : items_) {
    if (keep(name)) out.emplace_hint(out.end(), name, value);
  }
  return Params(std::move(out));
}

Params Params::merged_with(const Params& other) const {
  Map out = other.items_;
  out.insert(items_.begin(), items_.end());
  return Params(std::move(out));
}

Params Params::leaves() const {
  return map([](const at::Tensor& value) { return value.detach().requires_grad_(true); });
}

Params Params::detached() const {
  return map([](const at::Tensor& value) { return value.detach(); });
}

Params Params::with_tensors(const std::vector<at::Tensor>& values) const {
  if (values.size() != items_.size()) {
    throw Error(Fault::internal, std::to_string(values.size()) + " tensors given for " +
                                     std::to_string(items_.size()) + " parameters");
  }
  Map out;
  auto value = values.begin();
  for (const auto& [name, mine] : items_) out.emplace_hint(out.end(), name, *value++);
  return Params(std::move(out));
}

Params axpy(double a, const Params& x, const Params& y) {
  return x.zip(y, [a](const at::Tensor& x, const at::Tensor& y) { return at::add(y, x, a); });
}

at::Tensor dot(const Params& x, const Params& y) {
  at::Tensor sum;
  for (const auto& [name, value] : x) {
    const at::Tensor term = (value * y.at(name)).sum();
    sum = sum.defined() ? sum + term : term;
  }
  return sum.defined() ? sum : at::zeros({});
}

namespace {

// Autograd refuses what needs no gradient at all; here its derivative is simply zero.
Params differentiate(const std::vector<at::Tensor>& outputs,
                     const std::vector<at::Tensor>& cotangents, const Params& params,
                     bool create_graph, bool retain_graph) {
  std::vector<at::Tensor> inputs;
  for (const auto& [name, value] : params) {
    if (value.requires_grad()) inputs.push_back(value);
  }
  std::vector<at::Tensor> found;
  if (!outputs.empty() && !inputs.empty()) {
    found = torch::autograd::grad(outputs, inputs, cotangents, retain_graph || create_graph,
                                  create_graph, /*allow_unused=*/true);
  }
  auto next = found.begin();
  return params.map([&](const at::Tensor& value) {
    const at::Tensor gradient =
        value.requires_grad() && next != found.end() ? *next++ : at::Tensor();
    return gradient.defined() ? gradient : at::zeros_like(value).detach();
  });
}

}  // namespace

Params grad(const at::Tensor& loss, const Params& params, bool create_graph, bool retain_graph) {
  if (!loss.requires_grad()) return differentiate({}, {}, params, create_graph, retain_graph);
  return differentiate({loss}, {}, params, create_graph, retain_graph);
}

Params vjp(const Params& outputs, const Params& cotangents, const Params& params,
           bool retain_graph) {
  std::vector<at::Tensor> values, weights;
  for (const auto& [name, value] : outputs) {
    if (!value.requires_grad()) continue;
    values.push_back(value);
    weights.push_back(cotangents.at(name).detach());
  }
  return differentiate(values, weights, params, /*create_graph=*/false, retain_graph);
}

bool all_finite(const Params& values) {
  if (values.empty()) return true;
  // A sum is finite only if every term is: a NaN or an infinity is never cancelled.
  std::vector<at::Tensor> sums;
  for (const auto& [name, value] : values) sums.push_back(value.sum().to(at::kDouble));
  return at::stack(sums).isfinite().all().item<bool>();
}

}  // namespace metaloom
