#include "models/layers/disentangled.h"

#include <ATen/ATen.h>

#include <array>
#include <cmath>
#include <utility>
#include <vector>

namespace metaloom {
namespace {

// Distances up to half the buckets keep their own; beyond, as many share one as the logarithm says,
// up to the reach. In fp32, as the models were trained: in fp64 some would fall one bucket apart.
at::Tensor by_logarithm(const at::Tensor& distance, std::int64_t buckets, std::int64_t reach) {
  const std::int64_t half = buckets / 2;
  const at::Tensor far = distance.abs().clamp_min(half);
  const at::Tensor longest =
      at::scalar_tensor(static_cast<double>(reach - 1) / static_cast<double>(half), at::kFloat);
  const at::Tensor steps = (far.to(at::kFloat) / half).log() / longest.log() * (half - 1);
  const at::Tensor bucket = (steps.ceil() + half).to(at::kLong) * distance.sign();
  return at::where(distance.abs() <= half, distance, bucket);
}

// x_RQD against what stands for each distance, head by head: [T, H, S * Q, N].
at::Tensor by_distance(const at::Tensor& x_RQD, const at::Tensor& near_TND, std::int64_t heads) {
  const std::int64_t tasks = near_TND.size(0);
  const at::Tensor x_TMD = x_RQD.reshape({tasks, x_RQD.size(0) / tasks * x_RQD.size(1), -1});
  return at::matmul(by_head(x_TMD, heads), by_head(near_TND, heads).transpose(2, 3));
}

// The diagonals of every [L, N] in scores_THMN, as a view: from [i, start] on, one to the left with
// each row. What is gathered by the difference of two indices lies there in order already.
at::Tensor diagonals(const at::Tensor& scores_THMN, std::int64_t length, std::int64_t start) {
  const at::Tensor all = scores_THMN.contiguous();
  const std::int64_t tasks = all.size(0), heads = all.size(1), each = all.size(2) / length;
  const std::int64_t row = all.size(3), text = length * row, head = each * text;
  return all.as_strided({tasks, each, heads, length, length},
                        {heads * head, text, head, row - 1, 1}, all.storage_offset() + start);
}

// What distances add to the scores of a text's positions, in the order of `states`: [T, S, H, Q, K]
// of the text alone; undefined terms are not there.
std::array<at::Tensor, 2> terms_of_text(const DisentangledStates& states, std::int64_t heads,
                                        std::int64_t prompts) {
  const std::int64_t length = states.key_RKD.size(1) - prompts;
  const auto text = [&](const at::Tensor& x_RKD) { return x_RKD.narrow(1, prompts, length); };
  std::array<at::Tensor, 2> terms;
  if (states.near_query_TND.defined()) {  // rows are keys
    terms[0] =
        diagonals(by_distance(text(states.key_RKD), states.near_query_TND, heads), length, length)
            .transpose(3, 4);
  }
  if (states.near_key_TND.defined()) {  // from the largest distance down, as keys go up
    terms[1] = diagonals(by_distance(text(states.query_RQD), states.near_key_TND.flip(1), heads),
                         length, length - 1);
  }
  return terms;
}

// The same for one query of each row, at position at_R of its text.
std::array<at::Tensor, 2> terms_of_one(const DisentangledStates& states, std::int64_t heads,
                                       std::int64_t prompts, const at::Tensor& at_R) {
  const std::int64_t rows = at_R.size(0), length = states.key_RKD.size(1) - prompts;
  // Distance d stands at d + L.
  const at::Tensor place_RL =
      at_R.unsqueeze(1) - at::arange(length, at_R.options()).unsqueeze(0) + length;
  const auto split = [&](const at::Tensor& near_TND) {
    return std::vector<std::int64_t>{near_TND.size(0), rows / near_TND.size(0), heads, 1, length};
  };
  std::array<at::Tensor, 2> terms;
  if (const at::Tensor& near_TND = states.near_query_TND; near_TND.defined()) {
    const std::int64_t tasks = near_TND.size(0);
    const at::Tensor task_R1 =
        at::arange(rows, at_R.options()).floor_divide(rows / tasks).unsqueeze(1);
    const at::Tensor near_RLD =
        near_TND.flatten(0, 1)
            .index_select(0, (place_RL + task_R1 * near_TND.size(1)).view(-1))
            .view({rows, length, -1});
    terms[0] = (states.key_RKD.narrow(1, prompts, length) * near_RLD)
                   .unflatten(2, {heads, -1})
                   .sum(3)
                   .transpose(1, 2)
                   .reshape(split(near_TND));
  }
  if (const at::Tensor& near_TND = states.near_key_TND; near_TND.defined()) {
    const at::Tensor all_RHN =
        by_distance(states.query_RQD, near_TND, heads).transpose(1, 2).flatten(0, 1);
    terms[1] = all_RHN.gather(2, place_RL.unsqueeze(1).expand({rows, heads, length}))
                   .view(split(near_TND));
  }
  return terms;
}

}  // namespace

at::Tensor rows_of_distances(const Disentangled& kind, std::int64_t length) {
  at::Tensor distance = at::arange(-length, length, at::kLong);
  if (kind.buckets > 0) distance = by_logarithm(distance, kind.buckets, kind.reach);
  return (distance + kind.span()).clamp(0, 2 * kind.span() - 1);
}

Distances::Distances(const Disentangled& kind, std::int64_t length, at::Device device) {
  const at::Tensor rows = rows_of_distances(kind, length);
  first = rows[0].item<std::int64_t>();
  count = rows[-1].item<std::int64_t>() - first + 1;
  row_N = (rows - first).to(device);
}

at::Tensor disentangled_scores(const Disentangled& kind, const DisentangledStates& states,
                               std::int64_t heads, std::int64_t prompts, const at::Tensor& keep_R) {
  // The root in fp32, whatever the states are in: what transformers takes.
  const double scale =
      1 / static_cast<double>(
              std::sqrt(static_cast<float>(states.query_RQD.size(2) / heads * (1 + kind.terms))));
  DisentangledStates scaled = states;
  scaled.query_RQD = states.query_RQD * scale;
  if (states.near_query_TND.defined()) scaled.near_query_TND = states.near_query_TND * scale;
  const at::Tensor key_RHKE = by_head(states.key_RKD, heads).contiguous();
  at::Tensor scores_RHQK = at::matmul(by_head(scaled.query_RQD, heads), key_RHKE.transpose(2, 3));
  const bool keeps = keep_R.defined();
  for (const at::Tensor& term_TSHQL : keeps ? terms_of_one(scaled, heads, prompts, keep_R - prompts)
                                            : terms_of_text(scaled, heads, prompts)) {
    if (!term_TSHQL.defined()) continue;
    const at::Tensor term_TSHQK =
        prompts == 0 ? term_TSHQL
                     : at::constant_pad_nd(term_TSHQL, {prompts, 0, keeps ? 0 : prompts, 0});
    const std::int64_t tasks = term_TSHQK.size(0);
    scores_RHQK = (scores_RHQK.unflatten(0, {tasks, -1}) + term_TSHQK).flatten(0, 1);
  }
  return scores_RHQK;
}

}  // namespace metaloom
