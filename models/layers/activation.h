// The activations of feed-forward blocks.
#pragma once

#include <ATen/core/Tensor.h>

namespace metaloom {

enum class Activation { gelu, gelu_tanh, relu, silu, tanh };
at::Tensor activate(Activation activation, const at::Tensor& x);

}  // namespace metaloom
