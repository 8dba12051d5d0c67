#include "models/layers/positions.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace metaloom {

at::Tensor with_positions(const Weights& weights, const std::string& table, const at::Tensor& x_RLD,
                          std::int64_t tasks, std::int64_t first) {
  const std::int64_t rows = x_RLD.size(0), length = x_RLD.size(1);
  // One row of positions a task is enough: they are the same for all its rows.
  const at::Tensor position_TL =
      at::arange(first, first + length, x_RLD.options().dtype(at::kLong)).expand({tasks, length});
  const at::Tensor positions_T1LD = weights.embedding(table, position_TL).unsqueeze(1);
  return (x_RLD.unflatten(0, {tasks, rows / tasks}) + positions_T1LD).flatten(0, 1);
}

at::Tensor places_after(const Past& past, const Tokens& more, std::int64_t positions) {
  at::Tensor position_RL =
      at::arange(more.ids_RL.size(1), more.ids_RL.options()).expand(more.ids_RL.sizes());
  at::Tensor length_R = more.length_R;
  if (past.length_R().defined()) {
    position_RL = position_RL + past.length_R().unsqueeze(1);
    length_R = length_R + past.length_R();
  }
  check_length(length_R.max().item<std::int64_t>(), positions);
  // Padding may lie behind the last position: what stands there means nothing.
  return position_RL.clamp_max(positions - 1);
}

at::Tensor positions_after(const Weights& weights, const std::string& table, const Past& past,
                           const Tokens& more, std::int64_t positions, std::int64_t first) {
  return weights.embedding(table, places_after(past, more, positions) + first);
}

void check_length(std::int64_t length, std::int64_t positions) {
  if (length <= positions) return;
  throw Error(Fault::data,
              "rows of " + std::to_string(length) + " tokens for a model of " +
                  std::to_string(positions) + " positions",
              "batch", "Set data.max_length to at most that");
}

}  // namespace metaloom
