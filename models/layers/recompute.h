// Activation checkpointing (Chen et al. 2016): a layer keeps its inputs alone and is run again when
// it is differentiated. Exact: the same kernels on the same numbers, dropout drawn again by its
// keys, and derivatives of every order, of which each keeps no more than the inputs either.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

#include "core/params.h"
#include "models/layers/attention.h"
#include "models/weights/weights.h"

namespace metaloom {

/// One layer as a pure function of what its context holds and of the states that go in. It must
/// read nothing else that asks for gradients, and outlives the pass that it is called in.
using Layer = std::function<at::Tensor(const LayerContext& context, const at::Tensor& x)>;

/// The layers of one pass, run so.
class Recompute {
 public:
  /// `context` is read here and at every call.
  explicit Recompute(const LayerContext& context);
  at::Tensor operator()(const Layer& layer, const at::Tensor& x) const;

 private:
  const LayerContext& context_;
  Params trained_;
  std::shared_ptr<const Weights> weights_;  // a copy that outlives the pass, without its graph
};

}  // namespace metaloom
