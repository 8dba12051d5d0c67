// Mixed precision (Micikevicius et al. 2018): a product of matrices is computed in the precision of
// its matrix, which may be bf16; norms, softmax, losses and sums of layers are fp32, and so is what
// is trained.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

namespace metaloom {

/// What matrices are cast to where they are multiplied; none: as they are held.
using Products = std::optional<at::ScalarType>;

/// x in fp32 where its numbers are shorter.
at::Tensor at_least_single(const at::Tensor& x);

/// Empty where products of bf16 are faster than those of fp32 on this machine's processor; else why
/// not.
std::string why_no_bf16_products();

}  // namespace metaloom
