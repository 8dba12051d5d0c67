#include <ATen/ATen.h>

#include "core/registry.h"
#include "worker/optimizer/optimizer.h"

namespace metaloom {
namespace {

/// AdamW (Loshchilov & Hutter 2019): Adam with bias correction and decoupled weight decay.
class AdamW final : public UpdateRule {
 public:
  explicit AdamW(const OptimizerOptions& options) : options_(options) {}

  std::vector<std::string> state() const override { return {"mean", "square"}; }

  void update(at::Tensor value, const at::Tensor& gradient, std::vector<at::Tensor>& state,
              const GroupUpdate& how) const override {
    // One pass over memory. Elementwise, so that slices and threads do not change a bit.
    at::_fused_adamw_(
        value, gradient, state[0], state[1], {},
        at::scalar_tensor(static_cast<double>(how.count), value.options().dtype(at::kFloat)),
        how.rate, how.beta1, options_.beta2, how.decay, options_.epsilon,
        /*amsgrad=*/false, /*maximize=*/false);
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
