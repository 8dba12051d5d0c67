#include "core/rng.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/PhiloxRNGEngine.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "core/digest.h"
#include "core/error.h"

namespace metaloom {

namespace {

// Sub-streams are keyed by blocks that no draw of the parent ever uses.
constexpr std::uint64_t kIndexTag = 0x9e3779b97f4a7c15;
constexpr std::uint64_t kPurposeTag = 0xd1b54a32d192ed03;
constexpr std::int64_t kGrain = 16384;  // elements a thread should have at least

std::uint64_t join(std::uint32_t low, std::uint32_t high) {
  return static_cast<std::uint64_t>(high) << 32 | low;
}

/// The n-th 128 random bits of a key.
std::array<std::uint32_t, 4> block(const std::array<std::uint64_t, 2>& key, std::uint64_t n) {
  at::philox_engine engine(key[0], key[1], n);
  return {engine(), engine(), engine(), engine()};  // braces: evaluated from left to right
}

std::array<std::uint64_t, 2> derived(std::array<std::uint64_t, 2> key, std::uint64_t tag,
                                     std::uint64_t index) {
  const auto words = block({key[0] ^ tag, key[1]}, index);
  return {join(words[0], words[1]), join(words[2], words[3])};
}

double unit(std::uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

// Fills a fresh fp64 tensor with f(i), on all threads; the result does not depend on them.
template <class F>
at::Tensor filled(at::IntArrayRef shape, const F& f) {
  at::Tensor out = at::empty(shape, at::kDouble);
  double* values = out.mutable_data_ptr<double>();
  at::parallel_for(0, out.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) values[i] = f(static_cast<std::uint64_t>(i));
  });
  return out;
}

double largest_below_one(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return 1 - 0x1p-24;
    case at::kBFloat16:
      return 1 - 0x1p-8;
    case at::kHalf:
      return 1 - 0x1p-11;
    default:
      return 1 - 0x1p-53;
  }
}

template <class Number>
void fill_mask(at::Tensor& mask, const std::array<std::uint64_t, 2>& key, std::uint32_t dropped,
               Number kept) {
  Number* values = mask.mutable_data_ptr<Number>();
  const std::int64_t size = mask.numel();
  at::parallel_for(0, (size + 3) / 4, kGrain / 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const auto words = block(key, static_cast<std::uint64_t>(b));
      const std::int64_t here = std::min<std::int64_t>(4, size - 4 * b);
      for (std::int64_t i = 0; i < here; ++i) {
        values[4 * b + i] = words[i] < dropped ? Number(0) : kept;
      }
    }
  });
}

}  // namespace

Rng::Rng(std::uint64_t seed, std::string_view purpose) : key_{seed, 0} {
  key_ = derived(key_, kPurposeTag, digest(purpose));
}

Rng Rng::at(std::initializer_list<std::int64_t> indices) const {
  auto key = key_;
  for (const std::int64_t index : indices) {
    key = derived(key, kIndexTag, static_cast<std::uint64_t>(index));
  }
  return Rng(key[0], key[1]);
}

Rng Rng::at(std::string_view purpose) const {
  const auto key = derived(key_, kPurposeTag, digest(purpose));
  return Rng(key[0], key[1]);
}

std::uint64_t Rng::bits(std::uint64_t n) const {
  const auto words = block(key_, n >> 1);
  return n & 1 ? join(words[2], words[3]) : join(words[0], words[1]);
}

double Rng::uniform(std::uint64_t n) const {
  return unit(bits(n));
}

std::int64_t Rng::below(std::uint64_t n, std::int64_t bound) const {
  if (bound <= 0) throw Error(Fault::internal, "a random integer below " + std::to_string(bound));
  // Lemire 2019: the high half of a 128-bit product, redrawn in the rare biased case; redraws
  // come from a sub-stream, so that draw n does not move draw n + 1.
  const auto range = static_cast<std::uint64_t>(bound);
  const std::uint64_t threshold = (0 - range) % range;
  std::uint64_t draw = bits(n);
  for (std::int64_t attempt = 0;; ++attempt) {
    const auto product = static_cast<unsigned __int128>(draw) * range;
    if (static_cast<std::uint64_t>(product) >= threshold) {
      return static_cast<std::int64_t>(product >> 64);
    }
    draw = at({static_cast<std::int64_t>(n), attempt}).bits(0);
  }
}

std::vector<std::int64_t> Rng::permutation(std::int64_t n) const {
  std::vector<std::int64_t> out(static_cast<std::size_t>(n));
  std::iota(out.begin(), out.end(), 0);
  for (std::int64_t i = n - 1; i > 0; --i) {
    std::swap(out[i], out[below(static_cast<std::uint64_t>(i), i + 1)]);
  }
  return out;
}

at::Tensor Rng::uniform_tensor(at::IntArrayRef shape, at::ScalarType dtype) const {
  const double most = largest_below_one(dtype);
  return filled(shape, [&](std::uint64_t i) { return std::min(uniform(i), most); }).to(dtype);
}

at::Tensor Rng::normal_tensor(at::IntArrayRef shape, double sigma, at::ScalarType dtype) const {
  return filled(shape,
                [&](std::uint64_t i) {
                  const auto words = block(key_, i >> 1);
                  const double radius = std::sqrt(-2 * std::log1p(-unit(join(words[0], words[1]))));
                  const double angle = 2 * std::numbers::pi * unit(join(words[2], words[3]));
                  return sigma * radius * (i & 1 ? std::sin(angle) : std::cos(angle));
                })
      .to(dtype);
}

at::Tensor Rng::dropout_mask(at::IntArrayRef shape, double p, at::ScalarType dtype) const {
  at::Tensor mask = at::empty(shape, dtype == at::kDouble ? at::kDouble : at::kFloat);
  fill_dropout_mask(mask, p);
  return mask.to(dtype);
}

void Rng::fill_dropout_mask(at::Tensor mask, double p) const {
  if (!(p >= 0 && p < 1)) throw Error(Fault::internal, "dropout rate " + std::to_string(p));
  // 32 bits decide an element: p is honoured to 2^-32.
  const auto dropped = static_cast<std::uint32_t>(std::llround(std::min(p * 0x1p32, 0x1p32 - 1)));
  if (mask.scalar_type() == at::kDouble) {
    fill_mask<double>(mask, key_, dropped, 1 / (1 - p));
  } else {
    fill_mask<float>(mask, key_, dropped, static_cast<float>(1 / (1 - p)));
  }
}

}  // namespace metaloom
