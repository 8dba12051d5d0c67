// The mean of independent values, one for each unit, with the standard error of a sample's mean.
#include <cmath>

#include "core/registry.h"
#include "methods/measure.h"

namespace metaloom {
namespace {

Estimate mean(const Measure& measure) {
  if (measure.each.size() < 2) return {measure.mean, 0};
  double squares = 0;
  for (double value : measure.each) squares += (value - measure.mean) * (value - measure.mean);
  const double n = static_cast<double>(measure.each.size());
  return {measure.mean, std::sqrt(squares / (n - 1) / n)};
}

const Register<Averaging> here{kMean, "the mean of the units' values", mean};

}  // namespace
}  // namespace metaloom
