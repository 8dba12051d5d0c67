#include "methods/cloze/framed_row.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace metaloom {

Batch padded_batch(const std::vector<FramedRow>& rows, std::int64_t tasks, std::int32_t pad,
                   const Filled& filled) {
  const auto count = static_cast<std::int64_t>(rows.size());
  std::int64_t longest = 0;
  for (const FramedRow& row : rows) longest = std::max(longest, std::ssize(row.ids));
  Batch out;
  out.tasks = tasks;
  out.ids_RL = at::full({count, longest}, pad, at::kLong);
  out.length_R = at::zeros({count}, at::kLong);
  out.read_at_R = at::zeros({count}, at::kLong);
  if (filled.types) out.segments_RL = at::zeros({count, longest}, at::kLong);
  if (filled.slots) out.slot_RL = at::full({count, longest}, -1, at::kLong);
  const auto put = [&](const auto& values, const at::Tensor& into_RL, std::int64_t r) {
    std::copy(values.begin(), values.end(), into_RL.data_ptr<std::int64_t>() + r * longest);
  };
  for (std::int64_t r = 0; r < count; ++r) {
    const FramedRow& row = rows[static_cast<std::size_t>(r)];
    put(row.ids, out.ids_RL, r);
    if (filled.types) put(row.types, out.segments_RL, r);
    if (filled.slots) put(row.slots, out.slot_RL, r);
    out.length_R.data_ptr<std::int64_t>()[r] = std::ssize(row.ids);
    out.read_at_R.data_ptr<std::int64_t>()[r] = row.read_at;
    out.tokens += std::ssize(row.ids);
  }
  return out;
}

}  // namespace metaloom
