#include "sampler/pass_order.h"

#include <cmath>

namespace metaloom {

namespace {

/// Every bit of `x` moves half of the bits: the finalizer of SplitMix64 (Steele, Lea and Flood
/// 2014).
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

/// A number below `bound` as even as 64 bits make it.
std::uint64_t below(std::uint64_t bits, std::uint64_t bound) {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(bits) * bound >> 64);
}

}  // namespace

PassOrder::PassOrder(const Rng& key, std::int64_t count, std::int64_t listed) : count_(count) {
  if (count <= listed) {
    list_ = key.permutation(count);
    return;
  }
  left_ = static_cast<std::uint64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  right_ = (static_cast<std::uint64_t>(count) + left_ - 1) / left_;
  for (std::size_t round = 0; round < keys_.size(); ++round) keys_[round] = key.bits(round);
}

std::int64_t PassOrder::operator[](std::int64_t place) const {
  if (!list_.empty()) return list_[static_cast<std::size_t>(place)];
  // The network permutes 0..left_ * right_ - 1. What it leads to beyond the range is led on: the
  // cycle that began within the range comes back into it, and each of its numbers once.
  do {
    place = scattered(place);
  } while (place >= count_);
  return place;
}

std::int64_t PassOrder::scattered(std::int64_t place) const {
  std::uint64_t left = static_cast<std::uint64_t>(place) / right_;
  std::uint64_t right = static_cast<std::uint64_t>(place) % right_;
  for (std::size_t round = 0; round < keys_.size(); round += 2) {
    left += below(mixed(right ^ keys_[round]), left_);
    if (left >= left_) left -= left_;
    right += below(mixed(left ^ keys_[round + 1]), right_);
    if (right >= right_) right -= right_;
  }
  return static_cast<std::int64_t>(left * right_ + right);
}

}  // namespace metaloom
