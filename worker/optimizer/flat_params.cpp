#include "worker/optimizer/flat_params.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace metaloom {

at::Tensor Span::of(const at::Tensor& buffer) const {
  return buffer.narrow(0, start, length);
}

Span Span::within(const Span& other) const {
  const std::int64_t from = std::min(std::max(start, other.start), other.end());
  return {from, std::max<std::int64_t>(0, std::min(end(), other.end()) - from)};
}

FlatParams::FlatParams(const Params& theta, const std::vector<ParameterGroup>& groups)
    : groups_(groups) {
  std::int64_t total = 0;
  std::vector<at::Tensor> pieces;
  for (const ParameterGroup& group : groups_) {
    const std::int64_t start = total;
    for (const std::string& name : group.parameters) {
      const at::Tensor& value = theta.at(name);
      if (!spans_.emplace(name, Span{total, value.numel()}).second) {
        throw Error(Fault::internal, fmt::format("parameter {} stands in two groups", name),
                    group.name);
      }
      if (!pieces.empty() && pieces.front().scalar_type() != value.scalar_type()) {
        throw Error(Fault::internal, fmt::format("parameter {} has another dtype", name),
                    group.name);
      }
      pieces.push_back(value.detach().reshape({-1}));
      total += value.numel();
    }
    group_spans_.emplace(group.name, Span{start, total - start});
  }
  flat_ = pieces.empty() ? at::empty({0}) : at::cat(pieces);
  for (const auto& [name, value] : theta) {
    const auto it = spans_.find(name);
    values_.set(name, it == spans_.end() ? value.detach().clone()
                                         : it->second.of(flat_).view(value.sizes()));
  }
}

const ParameterGroup& FlatParams::group(const std::string& name) const {
  for (const ParameterGroup& group : groups_) {
    if (group.name == name) return group;
  }
  throw Error(Fault::internal, fmt::format("there is no parameter group \"{}\"", name));
}

Span FlatParams::span(const std::string& name) const {
  const auto it = spans_.find(name);
  return it == spans_.end() ? Span{} : it->second;
}

Span FlatParams::group_span(const std::string& name) const {
  const auto it = group_spans_.find(name);
  if (it == group_spans_.end()) group(name);
  return it->second;
}

Shard FlatParams::whole() const {
  return {{0, flat_.numel()}, [](const at::Tensor&) {}};
}

Params FlatParams::named(const at::Tensor& buffer) const {
  Params out;
  for (const auto& [name, span] : spans_) {
    out.set(name, span.of(buffer).view(values_.at(name).sizes()));
  }
  return out;
}

void FlatParams::assign(const std::string& name, const at::Tensor& value) {
  const at::Tensor& mine = values_.at(name);
  if (!mine.sizes().equals(value.sizes())) {
    throw Error(Fault::data, fmt::format("parameter {} has another shape in the checkpoint", name),
                "", "Give the configuration the checkpoint was made with.");
  }
  at::Tensor target = mine;  // shares storage: the copy lands in the flat buffer
  target.copy_(value);
}

}  // namespace metaloom
