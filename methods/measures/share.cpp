// The share of units that are right. They are independent of each other, so that the count of right
// ones is binomial: its error needs no unit's value.
#include <algorithm>
#include <cmath>

#include "core/registry.h"
#include "methods/measure.h"

namespace metaloom {
namespace {

Estimate share(const Measure& measure) {
  const double p = measure.mean;
  return {p, std::sqrt(p * (1 - p) / std::max(1.0, measure.count))};
}

const Register<Averaging> here{kShare, "the share of units that are right", share};

}  // namespace
}  // namespace metaloom
