#include "models/layers/disentangled.h"

#include <ATen/ATen.h>

#include <cmath>
#include <utility>

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

// x_RQD against the near distances p_TND of its task, head by head, of which index [R or 1, Q, L]
// tells the ones wanted: [R, H, Q, L].
at::Tensor against_distances(const at::Tensor& x_RQD, const at::Tensor& p_TND, std::int64_t heads,
                             const at::Tensor& index) {
  const std::int64_t tasks = p_TND.size(0), each = x_RQD.size(0) / tasks, queries = x_RQD.size(1);
  const at::Tensor x_THME =
      x_RQD.reshape({tasks, each * queries, heads, x_RQD.size(2) / heads}).transpose(1, 2);
  const at::Tensor p_THEN = by_head(p_TND, heads).transpose(2, 3);
  const at::Tensor all_THRQN = at::matmul(x_THME, p_THEN).unflatten(2, {each, queries});
  const bool same = index.size(0) == 1;
  const at::Tensor index_THRQL =
      index.view({same ? 1 : tasks, 1, same ? 1 : each, queries, index.size(2)})
          .expand({tasks, heads, each, queries, index.size(2)});
  return all_THRQN.gather(4, index_THRQL).transpose(1, 2).flatten(0, 1);
}

}  // namespace

at::Tensor rows_of_distances(const Disentangled& kind, std::int64_t length) {
  at::Tensor distance = at::arange(1 - length, length, at::kLong);
  if (kind.buckets > 0) distance = by_logarithm(distance, kind.buckets, kind.reach);
  return (distance + kind.span()).clamp(0, 2 * kind.span() - 1);
}

Distances::Distances(const Disentangled& kind, std::int64_t length, at::Device device) {
  const at::Tensor rows = rows_of_distances(kind, length);
  first = rows[0].item<std::int64_t>();
  count = rows[-1].item<std::int64_t>() - first + 1;
  const at::Tensor place_L = at::arange(length, at::kLong);
  const at::Tensor distance_LL = place_L.unsqueeze(1) - place_L.unsqueeze(0) + (length - 1);
  row_LL = (rows - first).take(distance_LL).to(device);
}

at::Tensor disentangled_scores(const Disentangled& kind, const DisentangledStates& states,
                               std::int64_t heads, const at::Tensor& row_LL, std::int64_t prompts,
                               const at::Tensor& keep_R) {
  const at::Tensor &query_RQD = states.query_RQD, &key_RKD = states.key_RKD;
  // The root in fp32, whatever the states are in: what transformers takes.
  const double scale = 1 / static_cast<double>(std::sqrt(
                               static_cast<float>(query_RQD.size(2) / heads * (1 + kind.terms))));
  const at::Tensor content_RHQK =
      at::matmul(by_head(query_RQD, heads) * scale, by_head(key_RKD, heads).transpose(2, 3));
  if (!kind.any()) return content_RHQK;
  const bool keeps = keep_R.defined();
  const std::int64_t length = row_LL.size(0);
  const at::Tensor row_RQL =
      keeps ? row_LL.index_select(0, keep_R - prompts).unsqueeze(1) : row_LL.unsqueeze(0);
  at::Tensor near_RHQL;
  if (kind.content_to_position) {
    const at::Tensor text_RQD = keeps ? query_RQD : query_RQD.narrow(1, prompts, length);
    near_RHQL = against_distances(text_RQD, states.near_key_TND, heads, row_RQL);
  }
  if (kind.position_to_content) {
    const at::Tensor term_RHQL =
        against_distances(key_RKD.narrow(1, prompts, length), states.near_query_TND, heads,
                          row_RQL.transpose(1, 2).contiguous())
            .transpose(2, 3);
    near_RHQL = near_RHQL.defined() ? near_RHQL + term_RHQL : term_RHQL;
  }
  if (prompts == 0) return content_RHQK + near_RHQL * scale;
  return content_RHQK +
         at::constant_pad_nd(near_RHQL * scale, {prompts, 0, keeps ? 0 : prompts, 0});
}

}  // namespace metaloom
