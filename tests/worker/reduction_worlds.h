// What the laws of reductions are tried on: a theta of two groups, updates of five packs whose
// gradients are small whole numbers, so that every order of summation gives the same bits, and
// what one rank without any reduction makes of them.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/registry.h"
#include "worker/optimizer/optimizer.h"
#include "worker/reduction/gradient_reduction.h"

namespace metaloom {

constexpr std::int64_t kPacks = 5;
constexpr std::int64_t kNoPack = -1;

inline const Phase kFirst{.name = "first", .half = Half::all, .groups = {"first"}};
inline const Phase kSecond{.name = "second", .half = Half::all, .groups = {"second"}};
inline const Phase kBoth{.name = "both", .half = Half::all, .groups = {"first", "second"}};

inline FlatParams two_groups() {
  Params theta;
  theta.set("a", at::zeros({5, 3}, at::kDouble));
  theta.set("b", at::zeros({4}, at::kDouble));
  theta.set("c", at::zeros({7}, at::kDouble));
  theta.set("state", at::tensor({7}, at::kLong));
  return FlatParams(theta, {{.name = "first", .parameters = {"a", "b"}},
                            {.name = "second", .parameters = {"c"}}});
}

inline at::Tensor whole_numbers(std::int64_t update, std::int64_t pack, const std::string& name,
                                at::IntArrayRef shape) {
  return (Rng(3).at(name).at({update, pack}).normal_tensor(shape, 1.0, at::kDouble) * 8).round();
}

/// What a method does with a pack of one task: `left_out` is the pack whose task is not finite.
inline std::vector<TaskOutcome> play(const Phase& phase, std::int64_t update, const Pack& pack,
                                     GradientSink& sink, std::int64_t left_out = kNoPack) {
  TaskOutcome task{.task = {.index = pack.index}, .weight = 2, .loss = 1};
  task.finite = pack.index != left_out;
  if (!task.finite) return {task};
  const auto deliver = [&](const std::string& name, at::IntArrayRef shape) {
    sink.add(name, whole_numbers(update, pack.index, name, shape));
    sink.complete(name);
  };
  for (const std::string& group : phase.groups) {
    if (group == "second") deliver("c", {7});
    if (group != "first") continue;
    if (pack.index % 2 == 0) deliver("b", {4});  // an absent head is zero
    // In two halves, the second by rows.
    const at::Tensor rows_N = at::tensor({3, 1, 3}, at::kLong).unsqueeze(0);
    sink.add("a",
             at::sparse_coo_tensor(rows_N, whole_numbers(update, pack.index, "r", {3, 3}), {5, 3}));
    deliver("a", {5, 3});
  }
  return {task};
}

/// Sums what is delivered as one would by hand.
class PlainSum final : public GradientSink {
 public:
  explicit PlainSum(const FlatParams& theta) : theta_(theta), sum(at::zeros_like(theta.flat())) {}
  void add(const std::string& name, const at::Tensor& gradient) override {
    theta_.named(sum).at(name).add_(gradient.to_dense());
  }

 private:
  const FlatParams& theta_;

 public:
  at::Tensor sum;  // laid out like theta.flat()
};

inline at::Tensor plain_sum(const Phase& phase, std::int64_t update,
                            std::int64_t left_out = kNoPack) {
  const FlatParams theta = two_groups();
  PlainSum sink(theta);
  for (std::int64_t pack = 0; pack < kPacks; ++pack) {
    play(phase, update, {pack, {}}, sink, left_out);
  }
  return sink.sum;
}

/// The packs of one rank, dealt in an order that differs between world sizes.
inline std::vector<Pack> packs_of(const Communicator& comm) {
  std::vector<Pack> mine;
  for (std::int64_t pack = 0; pack < kPacks; ++pack) {
    if ((pack * 3) % comm.size() == comm.rank()) mine.push_back({pack, {}});
  }
  return mine;
}

inline UpdateOutcome reduce(GradientReduction& reduction, const Communicator& comm,
                            const Phase& phase, std::int64_t update,
                            std::int64_t left_out = kNoPack) {
  return reduction.run(phase, packs_of(comm), kPacks, [&](const Pack& pack, GradientSink& sink) {
    return play(phase, update, pack, sink, left_out);
  });
}

}  // namespace metaloom
