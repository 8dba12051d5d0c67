// Weights: how a layer reads its parameters. Models never index Params; they ask for a linear
// map, an embedding or a vector by name, so that the same forward pass serves one shared model,
// T tasks with their own copies, or low-rank factors beside it (models/weights/low_rank.h). What
// linear() and convolution() give has the precision of the product (models/weights/precision.h);
// all else is at least fp32.
// Legend: R rows of a batch, L positions, I in, O out, D width, T tasks.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "core/params.h"
#include "models/weights/precision.h"

namespace metaloom {

class Weights {
 public:
  virtual ~Weights() = default;
  /// x_RLI (or x_RI) times `name`.weight [O, I] transposed, plus `name`.bias [O] if there is one.
  virtual at::Tensor linear(const std::string& name, const at::Tensor& x) const = 0;
  /// Rows of `name`.weight [V, D] for ids_RL -> [R, L, D].
  virtual at::Tensor embedding(const std::string& name, const at::Tensor& ids_RL) const = 0;
  /// LayerNorm over the last dimension with `name`.weight, and `name`.bias if there is one.
  virtual at::Tensor layer_norm(const std::string& name, const at::Tensor& x,
                                double epsilon) const = 0;
  /// x over the root of its mean square over the last dimension, times `name`.weight (RMSNorm,
  /// Zhang & Sennrich 2019).
  virtual at::Tensor rms_norm(const std::string& name, const at::Tensor& x,
                              double epsilon) const = 0;
  /// x_ND times the rows `ids` (all rows if undefined) of the matrix `name`.weight [V, D],
  /// transposed, plus those entries of `bias` [V] (none if empty): the tied decoder. N rows follow
  /// the batch's.
  virtual at::Tensor tied_decoder(const std::string& name, const std::string& bias,
                                  const at::Tensor& x_ND, const at::Tensor& ids) const = 0;
  /// x_RLI convolved over its positions with `name`.weight [O, I / groups, k], k odd, which sees
  /// zeros beyond the first and the last of them; plus `name`.bias [O].
  virtual at::Tensor convolution(const std::string& name, const at::Tensor& x_RLI) const = 0;
  /// Whether there is a parameter of this full name ("pooler.dense.weight").
  virtual bool contains(const std::string& name) const = 0;
  /// By their full names, the tensors it reads that ask for gradients.
  virtual Params trained() const = 0;
  /// A copy that reads `values` in place of its tensors of the same names: some of trained().
  virtual std::unique_ptr<Weights> with(const Params& values) const = 0;
};

/// One set of parameters for all rows.
class SharedWeights final : public Weights {
 public:
  SharedWeights() = default;
  /// With `row_gradients`, a table's gradient is sparse where fewer rows are looked up than it
  /// has: a vocabulary's is then not as long as the vocabulary. Not twice differentiable.
  explicit SharedWeights(Params params, Products products = {}, bool row_gradients = false)
      : params_(std::move(params)), products_(products), row_gradients_(row_gradients) {}
  at::Tensor linear(const std::string& name, const at::Tensor& x) const override;
  at::Tensor embedding(const std::string& name, const at::Tensor& ids_RL) const override;
  at::Tensor layer_norm(const std::string& name, const at::Tensor& x,
                        double epsilon) const override;
  at::Tensor rms_norm(const std::string& name, const at::Tensor& x, double epsilon) const override;
  at::Tensor tied_decoder(const std::string& name, const std::string& bias, const at::Tensor& x_ND,
                          const at::Tensor& ids) const override;
  at::Tensor convolution(const std::string& name, const at::Tensor& x_RLI) const override;
  bool contains(const std::string& name) const override { return params_.contains(name); }
  Params trained() const override;
  std::unique_ptr<Weights> with(const Params& values) const override {
    return std::make_unique<SharedWeights>(with_own(values));
  }
  SharedWeights with_own(const Params& values) const;
  const at::Tensor& at(const std::string& full_name) const { return params_.at(full_name); }
  /// A matrix in the precision that it is multiplied in.
  at::Tensor factor(const at::Tensor& matrix) const {
    return products_ ? matrix.to(*products_) : matrix;
  }

 private:
  Params params_;
  Products products_;
  bool row_gradients_ = false;
};

/// Parameters in `per_task` are [T, ...]: row r reads those of task r / (R / T); every task has
/// the same number of rows, contiguous. All other names come from `shared`. One backward of a sum
/// over tasks gives every task's own gradient.
class TaskWeights final : public Weights {
 public:
  /// Throws Error{internal} where a tensor of per_task has no leading dimension of `tasks`; the
  /// calls below do where their rows do not divide by it.
  TaskWeights(Params shared, Params per_task, std::int64_t tasks, Products products = {});
  at::Tensor linear(const std::string& name, const at::Tensor& x) const override;
  at::Tensor embedding(const std::string& name, const at::Tensor& ids_RL) const override;
  at::Tensor layer_norm(const std::string& name, const at::Tensor& x,
                        double epsilon) const override;
  at::Tensor rms_norm(const std::string& name, const at::Tensor& x, double epsilon) const override;
  at::Tensor tied_decoder(const std::string& name, const std::string& bias, const at::Tensor& x_ND,
                          const at::Tensor& ids) const override;
  at::Tensor convolution(const std::string& name, const at::Tensor& x_RLI) const override;
  bool contains(const std::string& name) const override;
  Params trained() const override;
  std::unique_ptr<Weights> with(const Params& values) const override;

 private:
  /// [T, 1, D], or [D] where it is shared.
  at::Tensor vector(const std::string& full_name) const;

  SharedWeights shared_;
  Params per_task_;
  std::int64_t tasks_;
};

}  // namespace metaloom
