#include <ATen/ATen.h>

#include <cmath>

#include "core/registry.h"
#include "worker/optimizer.h"

namespace metaloom {
namespace {

/// AdamW (Loshchilov & Hutter 2019): Adam with bias correction and decoupled weight decay.
class AdamW final : public UpdateRule {
 public:
  explicit AdamW(const OptimizerOptions& options) : options_(options) {}

  std::vector<std::string> state() const override { return {"mean", "square"}; }

  void update(at::Tensor value, const at::Tensor& gradient, std::vector<at::Tensor>& state,
              double rate, double decay, std::int64_t count) const override {
    at::Tensor &mean = state[0], &square = state[1];
    mean.mul_(options_.beta1).add_(gradient, 1 - options_.beta1);
    square.mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
    const double correct1 = 1 - std::pow(options_.beta1, static_cast<double>(count));
    const double correct2 = 1 - std::pow(options_.beta2, static_cast<double>(count));
    if (decay > 0) value.mul_(1 - rate * decay);
    value.addcdiv_(mean, (square / correct2).sqrt_().add_(options_.epsilon), -rate / correct1);
  }

 private:
  OptimizerOptions options_;
};

const Register<UpdateRule> here{"adamw", "Adam with decoupled weight decay",
                                [](const OptimizerOptions& o) -> std::unique_ptr<UpdateRule> {
                                  return std::make_unique<AdamW>(o);
                                }};

}  // namespace
}  // namespace metaloom
