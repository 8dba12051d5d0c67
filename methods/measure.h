// What an evaluation says: measures, each a number over units (rows, word pieces, episodes) with,
// where somebody asks for them, the value of every unit. How the units become one number and how
// sure that is hangs on what they are: an Averaging, one file each in methods/measures/.
// Laws (tests/methods/measure_laws_test.cpp): parts put together equal the whole; the standard
// error is that of a repetition.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace metaloom {

/// The averaging of shares: units are right (1) or wrong (0).
inline constexpr const char* kShare = "share";
/// The averaging of values of any size, one for each unit.
inline constexpr const char* kMean = "mean";

/// The measure that every evaluation has, in nats, not scaled.
inline constexpr const char* kLoss = "loss";

struct Measure {
  std::string name;            // "accuracy", kLoss, ...
  std::string averaging;       // its name in Registry<Averaging>
  double mean = 0, count = 0;  // over its units; how many they are
  /// The units' values in their order; empty where not kept. An averaging that needs what was said
  /// and what is right keeps two values a unit, in this order.
  std::vector<double> each = {};
  double sum() const { return count * mean; }
  bool operator==(const Measure&) const = default;
};

/// What training tells of one task: a number, and the averaging that it would be measured by.
struct Metric {
  std::string name, averaging;
  double value = 0;
};

/// The measure over the units of all parts, which are of one name and averaging, in their order.
Measure together(const std::vector<Measure>& parts);
/// All of it as one unit: for rows that are right or wrong together, as those of an episode are,
/// which share a support set.
Measure as_one_unit(const Measure& whole);

/// The number that is reported. The error is 0 where the units do not tell it.
struct Estimate {
  double value = 0, standard_error = 0;
};
Estimate estimate_of(const Measure& measure);

/// Seam: a measure's estimate. What is no mean over units (a correlation, a macro F1) is computed
/// here from `each`, once all units are together.
struct Averaging {
  static constexpr const char* kSeam = "averaging";
  using Factory = std::function<Estimate(const Measure& measure)>;
};

}  // namespace metaloom
