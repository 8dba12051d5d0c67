// How long a text may be for a model.
#pragma once

#include <cstdint>

namespace metaloom {

/// Throws Error{data} where rows of `length` tokens are longer than a model's positions.
void check_length(std::int64_t length, std::int64_t positions);

}  // namespace metaloom
