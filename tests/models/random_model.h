// Random backbones, weights and batches for the law suites: pure functions of a seed.
// Legend: R rows, L positions, D width, T tasks.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "core/rng.h"
#include "models/backbone.h"

namespace metaloom::testing {

/// What a random case is made of; names in rapidcheck's counterexamples.
struct Shape {
  std::int64_t heads = 2, depth = 4, layers = 2, inner = 16, vocabulary = 40, positions = 24;
  std::int64_t tasks = 1, rows_each = 3, length = 7;
  std::uint64_t seed = 1;
};

std::string describe(const Shape& shape);
/// Any of the shapes that rapidcheck draws.
Shape any_shape();

/// Hugging Face's config.json of a backbone of this shape, as its example has it.
std::string config_of(const std::string& name, const Shape& shape);
std::unique_ptr<Backbone> backbone_of(const std::string& name, const Shape& shape);
/// Whether a model of this kind has parameters of this part.
bool has(const Backbone& backbone, Part part);
/// Normal weights large enough for every layer to matter.
Params weights_of(const Backbone& backbone, const Shape& shape, at::ScalarType dtype);
/// shape.tasks * shape.rows_each rows, of lengths 3..shape.length, two segments each.
Batch batch_of(const Shape& shape);
/// The rows `index` (int64), as one task.
Batch rows_of(const Batch& batch, const at::Tensor& index);
/// `more` padding positions on the right, with arbitrary ids.
Batch padded(const Batch& batch, std::int64_t more);

/// max |a - b| / max |b|.
double difference(const at::Tensor& a, const at::Tensor& b);
/// The same over the positions that hold tokens, of [R, L, D].
double difference_at_tokens(const at::Tensor& a, const at::Tensor& b, const Batch& batch);

}  // namespace metaloom::testing
