// Plain gradient descent: phi - rate * slope. It remembers nothing, and its way back is written
// out: the generic one would make a graph for what is one product.
#include <ATen/ATen.h>

#include "core/registry.h"
#include "methods/meta/inner/inner_optimizer.h"

namespace metaloom {
namespace {

class Sgd final : public InnerOptimizer {
 public:
  InnerState step(const InnerState& state, const Params& slope, const Params& rates,
                  std::int64_t) const override {
    Params next;
    for (const auto& [name, value] : state.phi) {
      const at::Tensor& rate = rates.at(name);
      next.set(name, is_learned(rate) ? value - rate * slope.at(name)
                                      : at::sub(value, slope.at(name), rate.item()));
    }
    return {std::move(next), {}};
  }

  StepCotangents pull_back(const InnerState&, const Params& slope, const Params& rates,
                           std::int64_t, const InnerState& cotangent) const override {
    StepCotangents out;
    out.state.phi = cotangent.phi;
    for (const auto& [name, value] : cotangent.phi) {
      const at::Tensor& rate = rates.at(name);
      if (is_learned(rate)) {
        const at::Tensor rate_now = rate.detach();
        out.slope.set(name, -(value * rate_now));
        out.rates.set(name, -(value * slope.at(name).detach()).sum_to_size(rate_now.sizes()));
      } else {
        out.slope.set(name, value * -rate.item<double>());
      }
    }
    return out;
  }
};

const Register<InnerOptimizer> here{"sgd", "gradient descent",
                                    [](const Table&) { return std::make_unique<Sgd>(); }};

}  // namespace
}  // namespace metaloom
