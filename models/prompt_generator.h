// Prompt generators (Zhu & Zhou 2023, LPT): the bottleneck
//   p = W_up relu(W_down pool(h) + b_down) + b_up
// that makes P prompt rows out of a text's hidden states. Pooling is linear and comes first: it
// commutes with W_down, so that P rows are projected instead of L. Matrices are dense, or sums of
// Kronecker products (PHM; Zhang et al. 2021): W = sum_i A_i (x) B_i, about 1/n of the parameters.
// Legend: R rows, L positions, P prompt rows, D width, M bottleneck, N order of the PHM.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/params.h"
#include "core/rng.h"

namespace metaloom {

struct GeneratorShape {
  std::int64_t width = 0;       // D, of the backbone
  std::int64_t bottleneck = 0;  // M
  std::int64_t order = 1;       // N of the PHM; 1: dense matrices

  /// Throws Error{usage} where the order does not divide both widths.
  void check() const;
  /// Name, after the generator's prefix, -> shape.
  std::map<std::string, std::vector<std::int64_t>> shapes() const;
  /// Numbers held.
  std::int64_t numel() const;
  /// Fresh parameters under `prefix`, of this dtype and on this device. Dense: N(0, 1/3I) of I
  /// inputs, the spread of torch's Linear; PHM: N(0, 0.05^2) as in IDPG. Biases are zero.
  Params initial(const std::string& prefix, const Rng& rng, const at::TensorOptions& options) const;
  /// Whether weight decay is for the parameter of this name: for matrices, not for biases.
  static bool decays(std::string_view name) { return !name.ends_with(".bias"); }
};

/// One generator, read from parameters; its matrices are built once.
class PromptGenerator {
 public:
  PromptGenerator(const GeneratorShape& shape, const Params& params, const std::string& prefix);
  /// Prompt rows [R, P, D] of pooled states.
  at::Tensor rows_RPD(const at::Tensor& pooled_RPD) const;

 private:
  at::Tensor down_MD_, down_M_, up_DM_, up_D_;
};

/// sum_i A_i (x) B_i of A [N, N, N] and B [N, O/N, I/N]: [O, I].
at::Tensor hypercomplex_OI(const at::Tensor& a_NNN, const at::Tensor& b_NOI);

/// Adaptive average pooling over the first length_R[r] positions of each row, as weights
/// [R, P, L]: bin p holds positions floor(p T / P) to ceil((p + 1) T / P) of T, as torch has it.
at::Tensor pooling_RPL(const at::Tensor& length_R, std::int64_t positions, std::int64_t bins,
                       at::ScalarType dtype);

}  // namespace metaloom
