#include "worker/reduction/gradient_reduction.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/error.h"
#include "core/registry.h"

namespace metaloom {

UpdateOutcome GradientReduction::run(const Phase& phase, const std::vector<Pack>& mine,
                                     std::int64_t packs, const PackGradients& gradients) {
  spans_.clear();
  for (const std::string& group : phase.groups) {
    const Span span = theta_.group_span(group);
    if (span.length > 0) spans_.push_back(span);
  }
  UpdateOutcome outcome;
  do {
    outcome = {};
    begin(std::ssize(mine), packs);
    for (const Pack& pack : mine) {
      const Section section(comm_, "meta-gradient");
      pack_ = start_pack(pack.index);
      outcome.add(pack.index, gradients(pack, *this));
    }
    const Section section(comm_, "reduce");
    start();
    outcome.exchange(comm_);
    wait();
  } while (again(outcome));
  return outcome;
}

void GradientReduction::add(const std::string& name, const at::Tensor& gradient) {
  const Span span = theta_.span(name);
  if (span.length != gradient.numel() || span.length == 0) {
    throw Error(Fault::internal,
                fmt::format("a gradient of {} numbers was delivered for {}, which trains {}",
                            gradient.numel(), name, span.length));
  }
  at::Tensor target = span.of(pack_);
  if (!gradient.is_sparse()) {
    target.add_(gradient.detach().reshape({-1}));
    return;
  }
  // Each row once: summing in one fixed order is what coalescing is for.
  const at::Tensor rows = gradient.detach().coalesce();
  target.view(gradient.sizes()).index_add_(0, rows.indices().select(0, 0), rows.values());
}

double GradientReduction::norm() {
  return sum_of_squares(sum()).sqrt().item<double>();
}

at::Tensor GradientReduction::sum_of_squares(const at::Tensor& values) {
  // Short stretches in the sum's own precision, then fp64: one pass over memory, no loss where
  // there are many parameters, the same at any number of threads.
  constexpr std::int64_t kStretch = 4096;
  const auto squares = [](const at::Tensor& rows) {
    return at::linalg_vector_norm(rows, 2, at::IntArrayRef{1}).to(at::kDouble).square().sum();
  };
  const std::int64_t whole = values.numel() / kStretch * kStretch, rest = values.numel() - whole;
  return squares(values.narrow(0, 0, whole).view({-1, kStretch})) +
         squares(values.narrow(0, whole, rest).view({1, rest}));
}

std::unique_ptr<GradientReduction> reduction_of(const CommOptions& options, Communicator& comm,
                                                const FlatParams& theta) {
  return Registry<GradientReduction>::make(options.ordered ? "ordered" : "summed", comm, theta);
}

}  // namespace metaloom
