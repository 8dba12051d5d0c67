#include "models/layers/attention.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

namespace metaloom {
namespace {

// Every head of keys or values for as many heads of queries as share it.
at::Tensor for_heads(const at::Tensor& x_RGKE, std::int64_t heads) {
  const std::int64_t groups = x_RGKE.size(1);
  if (groups == heads) return x_RGKE;
  return x_RGKE.unsqueeze(2)
      .expand({x_RGKE.size(0), groups, heads / groups, x_RGKE.size(2), x_RGKE.size(3)})
      .flatten(1, 2);
}

at::Tensor hidden(const at::Tensor& scores_RHQK, const Sight& sight) {
  if (sight.bias.defined()) return scores_RHQK + sight.bias;
  if (!sight.causal) return scores_RHQK;
  const at::Tensor later_QK =
      at::ones({scores_RHQK.size(2), scores_RHQK.size(3)}, scores_RHQK.options().dtype(at::kBool))
          .triu(1);
  return scores_RHQK.masked_fill(later_QK, -std::numeric_limits<double>::infinity());
}

// [R, H, Q, E] as [R, Q, H * E].
at::Tensor side_by_side(const at::Tensor& x_RHQE) {
  return x_RHQE.transpose(1, 2).reshape(
      {x_RHQE.size(0), x_RHQE.size(2), x_RHQE.size(1) * x_RHQE.size(3)});
}

}  // namespace

at::Tensor by_head(const at::Tensor& x_RKD, std::int64_t heads) {
  return x_RKD.view({x_RKD.size(0), x_RKD.size(1), heads, x_RKD.size(2) / heads}).transpose(1, 2);
}

at::Tensor kept(const at::Tensor& x_RKD, const at::Tensor& keep_R) {
  const std::int64_t rows = x_RKD.size(0);
  return x_RKD.gather(1, keep_R.view({rows, 1, 1}).expand({rows, 1, x_RKD.size(2)}));
}

at::Tensor attend(const LayerContext& context, int layer, const at::Tensor& q_RHQE,
                  const at::Tensor& k_RHKE, const at::Tensor& v_RHKE, const Sight& sight,
                  const at::Tensor& keep_R) {
  // Products of attention are in the precision of its values; what was normed or turned is fp32.
  const at::ScalarType product = v_RHKE.scalar_type();
  const at::Tensor queries_RHQE = q_RHQE.to(product);
  const at::Tensor keys_RHKE = for_heads(k_RHKE.to(product), q_RHQE.size(1));
  const at::Tensor values_RHKE = for_heads(v_RHKE, q_RHQE.size(1));
  if (context.attention == Attention::fused && !context.dropout.on()) {
    const std::optional<at::Tensor> bias =
        sight.bias.defined() ? std::optional<at::Tensor>(sight.bias.to(product)) : std::nullopt;
    return side_by_side(at::scaled_dot_product_attention(queries_RHQE, keys_RHKE, values_RHKE, bias,
                                                         /*dropout_p=*/0, sight.causal));
  }
  const double scale = 1.0 / std::sqrt(static_cast<double>(q_RHQE.size(3)));
  const at::Tensor scores_RHQK = at::matmul(queries_RHQE * scale, keys_RHKE.transpose(2, 3));
  return attend_by(context, layer, scores_RHQK, values_RHKE, sight, keep_R);
}

at::Tensor attend_by(const LayerContext& context, int layer, const at::Tensor& scores_RHQK,
                     const at::Tensor& v_RHKE, const Sight& sight, const at::Tensor& keep_R) {
  const std::int64_t queries = sight.queries > 0 ? sight.queries : scores_RHQK.size(3);
  const at::Tensor p_RHQK = context.dropout.probabilities(
      hidden(at_least_single(scores_RHQK), sight).softmax(-1), layer, queries, keep_R);
  return side_by_side(at::matmul(p_RHQK.to(v_RHKE.scalar_type()), v_RHKE));
}

}  // namespace metaloom
