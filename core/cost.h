// What a piece of work costs: one source for `plan`, for the balance of ranks and for MFU.
#pragma once

#include <algorithm>

namespace metaloom {

struct Cost {
  double flops = 0;       // multiply and add counted as two
  double peak_bytes = 0;  // live at once beside the parameters
};

/// One after the other: the second finds the memory of the first free again.
inline Cost in_turn(const Cost& a, const Cost& b) {
  return {a.flops + b.flops, std::max(a.peak_bytes, b.peak_bytes)};
}

/// Together: what both keep has to be there.
inline Cost at_once(const Cost& a, const Cost& b) {
  return {a.flops + b.flops, a.peak_bytes + b.peak_bytes};
}

}  // namespace metaloom
