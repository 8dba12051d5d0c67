// Weights with a low-rank term of their own beside frozen or shared ones (LoRA, Hu et al. 2022):
// W + scale * B A, which is never formed. Names are matrices' without `.weight`; `NAME.lora_A` is
// [r, I] and `NAME.lora_B` [O, r], or, where they are each task's own, [T, r, I] and [T, O, r].
// Legend: R rows of a batch, L positions, I in, O out, D width, T tasks, V words, r rank.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "models/weights/weights.h"

namespace metaloom {

/// All else is the base's: biases, norms, convolutions, matrices without factors. A table of
/// embeddings [V, D] with factors has them as a head, too.
class LowRankWeights final : public Weights {
 public:
  /// Throws Error{internal} where a factor has no partner, no matrix or another rank, or is of
  /// neither form.
  LowRankWeights(std::unique_ptr<const Weights> base, Params factors, double scale);
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
  bool has_factors(const std::string& name) const;
  const at::Tensor& down(const std::string& name) const;  // lora_A
  const at::Tensor& up(const std::string& name) const;    // lora_B
  /// Throws Error{internal} if what is read otherwise than as a matrix has factors.
  void check_none(const std::string& name) const;

  std::shared_ptr<const Weights> base_;
  Params factors_;
  double scale_;
};

}  // namespace metaloom
