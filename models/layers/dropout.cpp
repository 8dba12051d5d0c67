#include "models/layers/dropout.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

namespace metaloom {
namespace {

at::ScalarType drawn_as(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// Query i and key j as a place in a list of all pairs that grows at its end as the positions do
// (Szudzik's pairing): 0..positions^2-1.
std::int64_t pairing(std::int64_t i, std::int64_t j) {
  return i < j ? j * j + i : i * i + i + j;
}

// to [H, Q, K] from [pairs, H].
template <class Number>
void by_head(const Number* from, Number* to, std::int64_t queries, std::int64_t keys,
             std::int64_t heads) {
  for (std::int64_t i = 0; i < queries; ++i) {
    for (std::int64_t j = 0; j < keys; ++j) {
      const Number* pair = from + pairing(i, j) * heads;
      for (std::int64_t h = 0; h < heads; ++h) to[(h * queries + i) * keys + j] = pair[h];
    }
  }
}

}  // namespace

Rng Dropout::stream(int layer, DropoutSite site, std::int64_t row, std::int64_t rows) const {
  const std::int64_t per_task = rows / static_cast<std::int64_t>(streams_.size());
  return streams_[static_cast<std::size_t>(row / per_task)].at(
      {layer, static_cast<std::int64_t>(site), row % per_task});
}

at::Tensor Dropout::states(const at::Tensor& x_RQD, int layer, DropoutSite site,
                           std::int64_t positions, const at::Tensor& keep_R) const {
  if (!on()) return x_RQD;
  const std::int64_t rows = x_RQD.size(0), width = x_RQD.size(-1);
  at::Tensor mask_RKD = at::empty({rows, positions, width}, drawn_as(x_RQD));
  at::parallel_for(0, rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      stream(layer, site, row, rows).fill_dropout_mask(mask_RKD.select(0, row), rate_);
    }
  });
  mask_RKD = mask_RKD.to(x_RQD.device());
  if (keep_R.defined()) {
    mask_RKD = mask_RKD.gather(1, keep_R.view({rows, 1, 1}).expand({rows, 1, width}));
  }
  return x_RQD * mask_RKD;
}

at::Tensor Dropout::probabilities(const at::Tensor& p_RHQK, int layer, std::int64_t queries,
                                  const at::Tensor& keep_R) const {
  if (!on()) return p_RHQK;
  const std::int64_t rows = p_RHQK.size(0), heads = p_RHQK.size(1), keys = p_RHQK.size(3);
  const std::int64_t side = std::max(queries, keys);
  at::Tensor mask_RHQK = at::empty({rows, heads, queries, keys}, drawn_as(p_RHQK));
  at::parallel_for(0, rows, 1, [&](std::int64_t begin, std::int64_t end) {
    const at::Tensor drawn = at::empty({side * side, heads}, mask_RHQK.options());
    for (std::int64_t row = begin; row < end; ++row) {
      stream(layer, DropoutSite::probabilities, row, rows).fill_dropout_mask(drawn, rate_);
      const at::Tensor mask_HQK = mask_RHQK.select(0, row);
      if (drawn.scalar_type() == at::kDouble) {
        by_head(drawn.const_data_ptr<double>(), mask_HQK.mutable_data_ptr<double>(), queries, keys,
                heads);
      } else {
        by_head(drawn.const_data_ptr<float>(), mask_HQK.mutable_data_ptr<float>(), queries, keys,
                heads);
      }
    }
  });
  mask_RHQK = mask_RHQK.to(p_RHQK.device());
  if (keep_R.defined()) {
    mask_RHQK = mask_RHQK.gather(2, keep_R.view({rows, 1, 1, 1}).expand({rows, heads, 1, keys}));
  }
  return p_RHQK * mask_RHQK;
}

}  // namespace metaloom
