#include "worker/optimizer/flat_params.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/error.h"

namespace metaloom {

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
    values_.set(name,
                it == spans_.end()
                    ? value.detach().clone()
                    : flat_.narrow(0, it->second.start, it->second.length).view(value.sizes()));
  }
}

const ParameterGroup& FlatParams::group(const std::string& name) const {
  for (const ParameterGroup& group : groups_) {
    if (group.name == name) return group;
  }
  throw Error(Fault::internal, fmt::format("there is no parameter group \"{}\"", name));
}

FlatParams::Span FlatParams::span(const std::string& name) const {
  const auto it = spans_.find(name);
  return it == spans_.end() ? Span{} : it->second;
}

FlatParams::Span FlatParams::group_span(const std::string& name) const {
  const auto it = group_spans_.find(name);
  if (it == group_spans_.end()) group(name);
  return it->second;
}

at::Tensor FlatParams::slice(const at::Tensor& buffer, const std::string& group) const {
  const Span span = group_span(group);
  return buffer.narrow(0, span.start, span.length);
}

Params FlatParams::named(const at::Tensor& buffer) const {
  Params out;
  for (const auto& [name, span] : spans_) {
    out.set(name, buffer.narrow(0, span.start, span.length).view(values_.at(name).sizes()));
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
