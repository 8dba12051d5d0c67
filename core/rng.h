// Counter-based randomness: every draw is a pure function of a key, so that nothing about it
// is state, and any rank of any world can make the same draw (Salmon et al. 2011, Philox 4x32-10).
// The words are at::philox_engine's, whose header a kernel on the device can include as well.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

namespace metaloom {

/// A random stream named by (seed, purpose, indices...). Derive sub-streams with `at`.
/// Cheap to copy; two equal keys give equal draws on every machine and at every world size.
class Rng {
 public:
  explicit Rng(std::uint64_t seed, std::string_view purpose = "");

  /// The sub-stream for these indices (step, task, site ...); order matters.
  Rng at(std::initializer_list<std::int64_t> indices) const;
  /// The sub-stream for a named purpose.
  Rng at(std::string_view purpose) const;

  /// The n-th 64 random bits of this stream.
  std::uint64_t bits(std::uint64_t n) const;
  /// The n-th uniform number in [0, 1), 53 bits.
  double uniform(std::uint64_t n) const;
  /// The n-th uniform integer in [0, bound), without modulo bias.
  std::int64_t below(std::uint64_t n, std::int64_t bound) const;
  /// A permutation of 0..n-1 (Fisher-Yates).
  std::vector<std::int64_t> permutation(std::int64_t n) const;

  /// Tensors on the CPU, drawn in fp64 and rounded to `dtype`. Uniform numbers stay below 1;
  /// normal ones (Box-Muller) are as equal on two machines as their libm.
  at::Tensor uniform_tensor(at::IntArrayRef shape, at::ScalarType dtype) const;
  at::Tensor normal_tensor(at::IntArrayRef shape, double sigma, at::ScalarType dtype) const;
  /// Dropout mask: 0 with probability p, else 1/(1-p).
  at::Tensor dropout_mask(at::IntArrayRef shape, double p, at::ScalarType dtype) const;
  /// The same into `mask`, contiguous on the CPU, fp32 or fp64.
  void fill_dropout_mask(at::Tensor mask, double p) const;

 private:
  Rng(std::uint64_t a, std::uint64_t b) : key_{a, b} {}
  std::array<std::uint64_t, 2> key_;
};

}  // namespace metaloom
