// A tiny BERT with random weights and episodes of random texts, in fp64: what the tests of
// meta-gradients differentiate. Tasks view texts that the object owns.
#pragma once

#include <cstdint>
#include <vector>

#include "methods/method.h"

namespace metaloom {

struct TinyEpisodes {
  explicit TinyEpisodes(std::int64_t count = 2, std::int64_t queries = 2);
  TinyEpisodes(const TinyEpisodes&) = delete;

  Ingredients ingredients() const { return {pretrained, {&dataset}, options, 10, Rng(7)}; }

  Pretrained pretrained;
  DatasetInfo dataset;
  TaskOptions options;  // 3 ways, 1 shot
  std::vector<std::vector<std::int32_t>> texts;
  std::vector<Task> tasks;
  /// A word piece that only the last task's texts hold.
  std::int32_t rare = 0;
};

/// What a method delivered, by name.
class CapturedGradients final : public GradientSink {
 public:
  void add(const std::string& name, const at::Tensor& gradient) override;
  Params sums;
};

/// What the method, which must be a classifier, says of the task's query rows.
at::Tensor scores_of(const Method& method, const Params& theta, const Task& task,
                     const StepContext& context = {});
/// What evaluation reports under this name.
Measure measured(const std::vector<Measure>& measures, const std::string& name);

/// |a - b| / |b| over all tensors.
double relative_distance(const Params& a, const Params& b);

}  // namespace metaloom
