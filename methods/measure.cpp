#include "methods/measure.h"

#include "core/registry.h"

namespace metaloom {

Measure together(const std::vector<Measure>& parts) {
  Measure whole{.name = parts.at(0).name, .averaging = parts[0].averaging};
  double sum = 0;
  for (const Measure& part : parts) {
    if (part.name != whole.name || part.averaging != whole.averaging) {
      throw Error(Fault::internal, "two measures are not one", whole.name + " and " + part.name);
    }
    sum += part.sum();
    whole.count += part.count;
    whole.each.insert(whole.each.end(), part.each.begin(), part.each.end());
  }
  whole.mean = whole.count > 0 ? sum / whole.count : sum;
  return whole;
}

Measure as_one_unit(const Measure& whole) {
  const double value = estimate_of(whole).value;
  return {.name = whole.name, .averaging = kMean, .mean = value, .count = 1, .each = {value}};
}

Estimate estimate_of(const Measure& measure) {
  return Registry<Averaging>::make(measure.averaging, measure);
}

}  // namespace metaloom
