#include "tests/models/random_model.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "core/registry.h"
#include "tests/models/backbone_example.h"

namespace metaloom::testing {
namespace {

// Thousands of tiny tensors: a second thread would only be waited for.
class OneThread final : public ::testing::Environment {
  void SetUp() override { at::set_num_threads(1); }
};
const auto* const one_thread = ::testing::AddGlobalTestEnvironment(new OneThread);

}  // namespace

std::string describe(const Shape& s) {
  return fmt::format(
      "heads {} depth {} layers {} inner {} vocabulary {} tasks {} rows {} length {} seed {}",
      s.heads, s.depth, s.layers, s.inner, s.vocabulary, s.tasks, s.rows_each, s.length, s.seed);
}

Shape any_shape() {
  const auto in = [](std::int64_t least, std::int64_t most) {
    return *rc::gen::inRange<std::int64_t>(least, most + 1);
  };
  Shape shape;
  shape.heads = in(1, 5);
  shape.depth = in(1, 9);
  // LayerNorm makes constants of one or two numbers.
  if (shape.heads * shape.depth < 4) shape.depth = 4;
  shape.layers = in(1, 4);
  shape.inner = in(1, 40);
  shape.vocabulary = in(8, 60);
  shape.tasks = in(1, 4);
  shape.rows_each = in(1, 4);
  shape.length = in(3, 20);
  shape.seed = static_cast<std::uint64_t>(in(0, 1 << 30));
  RC_LOG() << describe(shape) << "\n";
  return shape;
}

std::string config_of(const std::string& name, const Shape& shape) {
  return Registry<BackboneExample>::make(name, shape).config;
}

std::unique_ptr<Backbone> backbone_of(const std::string& name, const Shape& shape) {
  return Registry<Backbone>::make(name, config_of(name, shape));
}

bool has(const Backbone& backbone, Part part) {
  return !backbone.parameters({part}).empty();
}

Params weights_of(const Backbone& backbone, const Shape& shape, at::ScalarType dtype) {
  const Rng rng(shape.seed, "weights");
  Params out;
  for (const Parameter& one : backbone.parameters()) {
    at::Tensor value = rng.at(one.name).normal_tensor(one.shape, 0.4, dtype);
    if (one.start == Start::ones) value = value + 1;
    out.set(one.name, value);
  }
  return out;
}

Batch batch_of(const Shape& shape) {
  const Rng rng = Rng(shape.seed, "batch");
  const std::int64_t rows = shape.tasks * shape.rows_each;
  Batch batch;
  batch.tasks = shape.tasks;
  batch.ids_RL = at::zeros({rows, shape.length}, at::kLong);
  batch.segments_RL = at::zeros_like(batch.ids_RL);
  batch.length_R = at::zeros({rows}, at::kLong);
  batch.read_at_R = at::zeros({rows}, at::kLong);
  for (std::int64_t r = 0; r < rows; ++r) {
    const Rng row = rng.at({r});
    // The first row is full, so that the batch has no column of padding alone.
    const std::int64_t length = r == 0 ? shape.length : 3 + row.below(0, shape.length - 2);
    const std::int64_t second = 1 + row.below(1, length - 1);
    for (std::int64_t l = 0; l < length; ++l) {
      batch.ids_RL[r][l] = row.below(static_cast<std::uint64_t>(10 + l), shape.vocabulary);
      batch.segments_RL[r][l] = l >= second ? 1 : 0;
    }
    batch.length_R[r] = length;
    batch.read_at_R[r] = row.below(2, length);
    batch.tokens += length;
  }
  return batch;
}

Batch rows_of(const Batch& batch, const at::Tensor& index) {
  Batch out = batch.map([&](const at::Tensor& x) { return x.index_select(0, index); });
  out.tasks = 1;
  out.tokens = out.length_R.sum().item<std::int64_t>();
  return out;
}

Batch padded(const Batch& batch, std::int64_t more) {
  const at::Tensor padding = at::ones({batch.rows(), more}, at::kLong);
  Batch out = batch;
  out.ids_RL = at::cat({batch.ids_RL, padding * 5}, 1);
  out.segments_RL = at::cat({batch.segments_RL, padding}, 1);
  if (batch.slot_RL.defined()) out.slot_RL = at::cat({batch.slot_RL, -padding}, 1);
  return out;
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

double difference_at_tokens(const at::Tensor& a, const at::Tensor& b, const Batch& batch) {
  const at::Tensor token_RL1 =
      (at::arange(batch.ids_RL.size(1)).unsqueeze(0) < batch.length_R.unsqueeze(1)).unsqueeze(-1);
  return difference(a * token_RL1, b * token_RL1);
}

}  // namespace metaloom::testing
