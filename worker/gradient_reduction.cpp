#include "worker/gradient_reduction.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <memory>

#include "core/error.h"

namespace metaloom {

GradientReduction::GradientReduction(Communicator& comm, const FlatParams& theta,
                                     const Phase& phase, bool ordered)
    : comm_(comm), theta_(theta), ordered_(ordered), sum_(at::zeros_like(theta.flat())) {
  for (const std::string& group : phase.groups) spans_.push_back(theta.group_span(group));
}

void GradientReduction::start_pack(std::int64_t index) {
  if (ordered_) packs_.emplace_back(index, at::zeros_like(sum_));
}

void GradientReduction::add(const std::string& name, const at::Tensor& gradient) {
  const FlatParams::Span span = theta_.span(name);
  if (span.length != gradient.numel() || span.length == 0) {
    throw Error(Fault::internal,
                fmt::format("a gradient of {} numbers was delivered for {}, which trains {}",
                            gradient.numel(), name, span.length));
  }
  at::Tensor target = (ordered_ ? packs_.back().second : sum_).narrow(0, span.start, span.length);
  target.add_(gradient.detach().reshape({-1}));
}

at::Tensor GradientReduction::finish(std::int64_t packs) {
  std::vector<std::unique_ptr<Pending>> pending;
  for (const FlatParams::Span& span : spans_) {
    if (span.length == 0) continue;
    const at::Tensor slice = sum_.narrow(0, span.start, span.length);
    if (!ordered_) {
      pending.push_back(comm_.all_reduce(slice, Reduce::sum));
      continue;
    }
    std::vector<std::pair<std::int64_t, at::Tensor>> mine;
    for (const auto& [index, buffer] : packs_) {
      mine.emplace_back(index, buffer.narrow(0, span.start, span.length));
    }
    comm_.ordered_sum(slice, mine, packs);
  }
  for (auto& operation : pending) operation->wait();
  return sum_;
}

}  // namespace metaloom
