// What a Hugging Face config.json says of a BERT encoder, checked; and the names and shapes of the
// parameters that follow from it. Names are Hugging Face's without the prefix `bert.`.
#pragma once

#include <string>
#include <vector>

#include "models/backbone.h"
#include "models/layers/encoder_layer.h"

namespace metaloom {

struct BertConfig {
  Backbone::Geometry geometry;
  std::int64_t segments = 2;  // token types
  double epsilon = 1e-12;     // of every LayerNorm
  Activation activation = Activation::gelu;

  /// Throws Error{data} naming the key: missing, not a positive integer, heads not dividing the
  /// width, an unknown activation, relative positions, a decoder.
  static BertConfig parse(const std::string& json);

  /// In the order of their names.
  std::vector<Parameter> parameters() const;
};

}  // namespace metaloom
