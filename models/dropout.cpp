#include "models/dropout.h"

#include <ATen/ATen.h>

namespace metaloom {
namespace {

// Where query i and key j stand in a list of all pairs that grows at its end as the positions do
// (Szudzik's pairing): 0..positions^2-1, as [positions * positions].
at::Tensor pairing(std::int64_t positions) {
  at::Tensor out = at::empty({positions, positions}, at::kLong);
  std::int64_t* at_pair = out.data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < positions; ++i) {
    for (std::int64_t j = 0; j < positions; ++j) {
      at_pair[i * positions + j] = i < j ? j * j + i : i * i + i + j;
    }
  }
  return out.flatten();
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
  std::vector<at::Tensor> masks;
  masks.reserve(static_cast<std::size_t>(rows));
  for (std::int64_t row = 0; row < rows; ++row) {
    masks.push_back(stream(layer, site, row, rows)
                        .dropout_mask({positions, width}, rate_, x_RQD.scalar_type()));
  }
  at::Tensor mask_RKD = at::stack(masks).to(x_RQD.device());
  if (keep_R.defined()) {
    mask_RKD = mask_RKD.gather(1, keep_R.view({rows, 1, 1}).expand({rows, 1, width}));
  }
  return x_RQD * mask_RKD;
}

at::Tensor Dropout::probabilities(const at::Tensor& p_RHQK, int layer,
                                  const at::Tensor& keep_R) const {
  if (!on()) return p_RHQK;
  const std::int64_t rows = p_RHQK.size(0), heads = p_RHQK.size(1), keys = p_RHQK.size(3);
  const at::Tensor pairs = pairing(keys);
  std::vector<at::Tensor> masks;
  masks.reserve(static_cast<std::size_t>(rows));
  for (std::int64_t row = 0; row < rows; ++row) {
    const at::Tensor drawn = stream(layer, DropoutSite::probabilities, row, rows)
                                 .dropout_mask({keys * keys, heads}, rate_, p_RHQK.scalar_type());
    masks.push_back(drawn.index_select(0, pairs).view({keys, keys, heads}).permute({2, 0, 1}));
  }
  at::Tensor mask_RHKK = at::stack(masks).to(p_RHQK.device());
  if (keep_R.defined()) {
    mask_RHKK = mask_RHKK.gather(2, keep_R.view({rows, 1, 1, 1}).expand({rows, heads, 1, keys}));
  }
  return p_RHQK * mask_RHKK;
}

}  // namespace metaloom
