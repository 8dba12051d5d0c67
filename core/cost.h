// What a piece of work costs: one source for `plan`, for the balance of ranks and for MFU.
#pragma once

namespace metaloom {

struct Cost {
  double flops = 0;       // multiply and add counted as two
  double peak_bytes = 0;  // live at once beside the parameters

  Cost& operator+=(const Cost& other) {
    flops += other.flops;
    peak_bytes = peak_bytes > other.peak_bytes ? peak_bytes : other.peak_bytes;
    return *this;
  }
};

}  // namespace metaloom
