#include <ATen/ATen.h>

#include "core/registry.h"
#include "worker/optimizer/optimizer.h"

namespace metaloom {
namespace {

/// Gradient descent with heavy-ball momentum (Polyak 1964); weight decay is decoupled.
class Sgd final : public UpdateRule {
 public:
  explicit Sgd(const OptimizerOptions& options) : options_(options) {}

  std::vector<std::string> state() const override { return {"momentum"}; }

  void update(at::Tensor value, const at::Tensor& gradient, std::vector<at::Tensor>& state,
              const GroupUpdate& how) const override {
    if (how.decay > 0) value.mul_(1 - how.rate * how.decay);
    value.add_(state[0].mul_(options_.momentum).add_(gradient), -how.rate);
  }

 private:
  OptimizerOptions options_;
};

const Register<UpdateRule> here{"sgd", "stochastic gradient descent with momentum",
                                [](const OptimizerOptions& o) -> std::unique_ptr<UpdateRule> {
                                  return std::make_unique<Sgd>(o);
                                }};

}  // namespace
}  // namespace metaloom
