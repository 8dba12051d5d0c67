#include "methods/muppet/sentence_layers.h"

#include <ATen/ATen.h>

namespace metaloom {
namespace {

constexpr double kInitialSpread = 0.02;  // BERT's initializer_range

}  // namespace

Params SentenceLayers::initial(const std::string& prefix, std::int64_t outputs) const {
  const auto like = in_.pretrained.options();
  const auto dtype = in_.pretrained.dtype;
  const std::int64_t width = in_.pretrained.backbone->geometry().width;
  Params out;
  const auto linear = [&](const std::string& name, std::int64_t rows) {
    out.set(name + ".weight",
            in_.rng.at(name).normal_tensor({rows, width}, kInitialSpread, dtype).to(like));
    out.set(name + ".bias", at::zeros({rows}, like));
  };
  linear(prefix + ".dense", width);
  linear(prefix + ".out", outputs);
  return out;
}

at::Tensor SentenceLayers::logits_RN(const Encoded& encoded, const std::string& prefix) const {
  const auto dropped = [&](const at::Tensor& x, std::string_view site) {
    if (encoded.dropout == nullptr) return x;
    const at::Tensor mask =
        encoded.dropout->at(site).dropout_mask(x.sizes(), in_.dropout, x.scalar_type());
    return x * mask.to(x.device());
  };
  const Weights& weights = encoded.weights;
  const at::Tensor dense_RD =
      at_least_single(weights.linear(prefix + ".dense", dropped(encoded.states, "head input")))
          .tanh();
  return at_least_single(weights.linear(prefix + ".out", dropped(dense_RD, "head output")));
}

}  // namespace metaloom
