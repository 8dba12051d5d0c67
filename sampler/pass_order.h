// The order of a pass: a permutation of 0..n-1, a pure function of its key. Up to kListed places it
// is Fisher-Yates' and stands in a list, as it always did: what began with it goes on with it. A
// longer one is computed place by place and needs no memory: a Feistel network over the two digits
// of a number (Black and Rogaway 2002), walked on where it leads out of the range.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/rng.h"

namespace metaloom {

class PassOrder {
 public:
  static constexpr std::int64_t kListed = std::int64_t{1} << 20;  // 8 MiB, some 50 ms
  /// `listed`: the longest order that is kept as a list.
  PassOrder(const Rng& key, std::int64_t count, std::int64_t listed = kListed);

  std::int64_t size() const { return count_; }
  /// What stands at `place`, which is 0..size()-1.
  std::int64_t operator[](std::int64_t place) const;

 private:
  std::int64_t scattered(std::int64_t place) const;

  std::int64_t count_;
  std::vector<std::int64_t> list_;  // empty: computed
  // A number is left * right_ + right; left_ * right_ is at least count_ and at most a few above.
  std::uint64_t left_ = 1, right_ = 1;
  std::array<std::uint64_t, 8> keys_{};  // of the rounds
};

}  // namespace metaloom
