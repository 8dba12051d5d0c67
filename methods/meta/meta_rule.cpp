#include "methods/meta/meta_rule.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace metaloom {

std::vector<double> last_query(std::int64_t steps) {
  std::vector<double> weights(steps + 1, 0.0);
  weights.back() = 1;
  return weights;
}

at::Tensor finite_T(const MetaGradient& meta) {
  if (!meta.query_loss_T.defined()) {
    throw Error(Fault::internal, "a meta-gradient rule told no loss of its tasks");
  }
  at::Tensor finite = meta.query_loss_T.isfinite();
  for (const Params* params : {&meta.gradient, &meta.rates})
    for (const auto& [name, value] : *params)
      finite = finite.logical_and(value.flatten(1).isfinite().all(1));
  return finite.cpu();
}

}  // namespace metaloom
