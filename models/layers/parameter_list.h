// The declarations of a backbone's parameters, as it lists them: matrices are drawn and decay,
// biases begin at zero, LayerNorms at one and zero, and neither decays.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/backbone.h"

namespace metaloom {

class ParameterList {
 public:
  /// What follows belongs to this part; and to this layer, where it is the layers'.
  void part(Part part, int layer = -1) {
    part_ = part;
    layer_ = layer;
  }
  void weight(const std::string& name, std::vector<std::int64_t> shape);
  void matrix(const std::string& name, std::int64_t rows, std::int64_t columns);
  void vector(const std::string& name, std::int64_t size, Start start);
  /// `name`.weight [to, from] and `name`.bias [to].
  void dense(const std::string& name, std::int64_t from, std::int64_t to, bool bias = true);
  /// `name`.weight and `name`.bias of a LayerNorm.
  void norm(const std::string& name, std::int64_t width, bool bias = true);
  /// All of them, in the order of their names.
  std::vector<Parameter> by_name() const;

 private:
  Part part_ = Part::embeddings;
  int layer_ = -1;
  std::vector<Parameter> all_;
};

}  // namespace metaloom
