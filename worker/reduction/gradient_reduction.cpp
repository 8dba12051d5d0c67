#include "worker/reduction/gradient_reduction.h"

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
  if (!gradient.is_sparse()) {
    target.add_(gradient.detach().reshape({-1}));
    return;
  }
  // Each row once: summing in one fixed order is what coalescing is for.
  const at::Tensor rows = gradient.detach().coalesce();
  target.view(gradient.sizes()).index_add_(0, rows.indices().select(0, 0), rows.values());
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

double GradientReduction::norm() const {
  // Short stretches in the sum's own precision, then fp64: one pass over memory, no loss where
  // there are many parameters, the same at any number of threads.
  constexpr std::int64_t kStretch = 4096;
  const auto squares = [](const at::Tensor& rows) {
    return at::linalg_vector_norm(rows, 2, at::IntArrayRef{1}).to(at::kDouble).square().sum();
  };
  const std::int64_t whole = sum_.numel() / kStretch * kStretch, rest = sum_.numel() - whole;
  return (squares(sum_.narrow(0, 0, whole).view({-1, kStretch})) +
          squares(sum_.narrow(0, whole, rest).view({1, rest})))
      .sqrt()
      .item<double>();
}

}  // namespace metaloom
