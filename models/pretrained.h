// A model as the rest of the program receives it: backbone, tokenizer, weights, and where and in
// which precision these are; read from a model archive or from the sections of a checkpoint (both
// have the same layout, docs/formats.md).
#pragma once

#include <c10/core/TensorOptions.h>

#include <memory>
#include <set>
#include <string>

#include "core/archive/archive.h"
#include "models/backbone.h"
#include "models/tokenizers/tokenizer.h"

namespace metaloom {

struct Pretrained {
  std::string meta;            // JSON text of /meta
  std::string tokenizer_json;  // tokenizer.json
  std::string tokenizer_digest;
  std::unique_ptr<Backbone> backbone;
  std::unique_ptr<Tokenizer> tokenizer;
  Params weights;
  /// Of all weights, and of what is trained beside them.
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
  /// Whether its layers keep their inputs alone for backward (ForwardOptions::recompute).
  bool recompute = false;
  /// What matrices are multiplied in, where that is not how they are held.
  Products products;

  /// How a tensor is made that goes with the weights.
  at::TensorOptions options() const { return at::TensorOptions(device).dtype(dtype); }
  /// Moves and casts all weights.
  void place(at::Device device, at::ScalarType dtype);
  /// Holds matrices as bf16 but for those of `trained`: half the memory, and products with them are
  /// of bf16. Their exact numbers are gone: to_archive comes before.
  void freeze(const std::set<std::string>& trained);
  /// The word table [V, D].
  const at::Tensor& words_VD() const { return weights.at(backbone->word_table()); }
  /// The options of a forward pass that are the model's.
  ForwardOptions forward() const { return {.recompute = recompute}; }
  /// What a pass and the gradient of it cost that are `passes` forward passes' worth: 3, or 2 where
  /// weights are frozen. Layers that are run again are one more.
  Cost gradient_cost(Pass pass, double passes) const;
  /// The weights there are of these parts of the model.
  Params weights_of(std::initializer_list<Part> parts) const;

  /// In the precision that the archive holds, fp32 or fp64, on the CPU. Throws Error{data} on a
  /// wrong format, a missing, wrongly shaped or non-finite tensor, a tokenizer without a piece that
  /// the backbone frames its rows with.
  static Pretrained from_archive(const Archive& archive, const std::string& origin);
  /// The archive that from_archive reads, with `weights` in place of its own.
  Archive to_archive(const Params& weights) const;
};

}  // namespace metaloom
