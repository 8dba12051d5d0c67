// What the laws of backbones need to make one of a kind: its configuration at a given shape.
#pragma once

#include <functional>
#include <string>

#include "tests/models/random_model.h"

namespace metaloom::testing {

/// Registered under a backbone's name, in tests/models/NAME_test.cpp.
struct BackboneExample {
  static constexpr const char* kSeam = "backbone's example";
  using Factory = std::function<BackboneExample(const Shape& shape)>;

  std::string config;  // Hugging Face's config.json
  /// Whether layers know positions beyond the order of the states that they see: what rotates
  /// queries and keys, measures distances, or sees a window alone.
  bool layers_know_positions = false;
};

}  // namespace metaloom::testing
