// What bench_metaloom iterates: a case, and the one of a body alone.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <string>
#include <vector>

#include "bench/work.h"
#include "core/archive/archive.h"
#include "core/error.h"
#include "models/pretrained.h"

namespace metaloom::bench {

class Case {
 public:
  virtual ~Case() = default;
  /// One iteration; gives its loss.
  virtual double iterate() = 0;
  virtual double flops() const = 0;
  virtual std::int64_t tokens() const = 0;
  virtual Archive state() const { return {}; }
  /// Has the work's pass `number` iterated from now on; tells the dtype of its products.
  virtual Json choose(std::size_t number) {
    throw Error(Fault::usage, "there is no pass " + std::to_string(number), "stdin");
  }
};

/// A body alone: forward, or forward and backward over all weights; each of the work's tasks is a
/// pass of its own.
class EncoderCase final : public Case {
 public:
  EncoderCase(const Pretrained& pretrained, const Work& work)
      : pretrained_(pretrained), leaves_(pretrained.weights.leaves()) {
    for (std::size_t n = 0; n < work.tasks.size(); ++n) {
      const Json& told = work.json.at("passes").at(n);
      Pass& pass = passes_.emplace_back();
      pass.training = told.at("training").get<bool>();
      if (told.at("dtype") == "bf16") pass.products = at::kBFloat16;
      pass.batch = batch_of(work.tasks[n].query);
    }
    chosen_ = &passes_.at(0);
  }

  Json choose(std::size_t number) override {
    chosen_ = &passes_.at(number);
    return {{"dtype", dtype_name(chosen_->products.value_or(pretrained_.dtype))}};
  }
  double iterate() override {
    if (!chosen_->training) {
      const c10::NoGradGuard no_grad;
      return loss(pretrained_.weights).item<double>();
    }
    const at::Tensor loss = this->loss(leaves_);
    grad(loss, leaves_);
    return loss.item<double>();
  }
  double flops() const override {
    const Batch& batch = chosen_->batch;
    const Cost forward = pretrained_.backbone->cost(
        {.rows = batch.rows(), .length = batch.ids_RL.size(1)}, pretrained_.dtype);
    return forward.flops * (chosen_->training ? 3 : 1);
  }
  std::int64_t tokens() const override { return chosen_->batch.tokens; }

 private:
  struct Pass {
    bool training = false;
    Products products;
    Batch batch;
  };
  static Batch batch_of(const std::vector<Example>& examples) {
    std::vector<at::Tensor> rows;
    for (const Example& example : examples) {
      const auto& ids = example.segments.at(0);
      rows.push_back(at::tensor(at::ArrayRef<std::int32_t>(ids.data(), ids.size()), at::kLong));
    }
    Batch batch;
    batch.ids_RL = at::stack(rows);
    batch.segments_RL = at::zeros_like(batch.ids_RL);
    batch.length_R = at::full({batch.rows()}, batch.ids_RL.size(1), at::kLong);
    batch.tokens = batch.ids_RL.numel();
    return batch;
  }
  static const char* dtype_name(at::ScalarType dtype) {
    return dtype == at::kBFloat16 ? "bfloat16" : dtype == at::kDouble ? "float64" : "float32";
  }
  at::Tensor loss(const Params& weights) const {
    return pretrained_.backbone
        ->encode(SharedWeights(weights, chosen_->products), chosen_->batch, {})
        .pow(3)
        .mean();
  }

  const Pretrained& pretrained_;
  Params leaves_;
  std::vector<Pass> passes_;
  const Pass* chosen_ = nullptr;
};

}  // namespace metaloom::bench
