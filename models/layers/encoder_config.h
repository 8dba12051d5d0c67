// What a Hugging Face config.json says of an encoder with absolute positions (BERT's keys, which
// RoBERTa, ELECTRA and others share), checked.
#pragma once

#include "models/backbone.h"
#include "models/layers/encoder_layer.h"
#include "models/layers/model_config.h"

namespace metaloom {

struct EncoderConfig {
  Backbone::Geometry geometry;
  std::int64_t types = 2;  // rows of the table of token types; 0: there is none
  EncoderLayerShape layer;

  /// Types and epsilon, where the config does not tell them, are those of `usual`; only where that
  /// has no types may there be none. Throws Error{data} naming the key: missing, not a positive
  /// integer, heads not dividing the width, an unknown activation, relative positions, a decoder.
  static EncoderConfig parse(const ModelConfig& config, EncoderConfig usual);
  static EncoderConfig parse(const ModelConfig& config);
};

}  // namespace metaloom
