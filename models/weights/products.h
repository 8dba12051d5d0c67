// The product that nearly all time goes into: rows times a matrix of weights.
#pragma once

#include <ATen/core/Tensor.h>

namespace metaloom {

/// x [..., I] times weight [O, I] transposed, plus bias [O] if it is defined: [..., O]; as often
/// differentiable as one likes. On AMD's processors with AVX-512, products in fp32 that are
/// not small are oneDNN's: MKL keeps its AVX-512 kernels to Intel's own.
at::Tensor linear_map(const at::Tensor& x, const at::Tensor& weight_OI, const at::Tensor& bias_O);

/// The same by oneDNN, whatever the processor and the size. x: fp32 on the CPU.
at::Tensor linear_map_by_onednn(const at::Tensor& x, const at::Tensor& weight_OI,
                                const at::Tensor& bias_O);

}  // namespace metaloom
