#include "models/layers/sights.h"

#include <ATen/ATen.h>

#include <limits>
#include <utility>

namespace metaloom {
namespace {

constexpr double kHidden = -std::numeric_limits<double>::infinity();

// Distance of keys from queries, query minus key [Q, K]: of text positions; 0 where a prompt row,
// which has no position, is one of the two.
at::Tensor text_distance(std::int64_t prompts, std::int64_t length, const at::TensorOptions& on) {
  const at::Tensor place_L = at::arange(length, on);
  const at::Tensor distance_LL = place_L.unsqueeze(1) - place_L.unsqueeze(0);
  return at::constant_pad_nd(distance_LL, {prompts, 0, prompts, 0}, 0);
}

}  // namespace

Sights::Sights(const Tokens& batch, at::Tensor token_RL)
    : token_RL_(std::move(token_RL)), padded_(batch.tokens != batch.ids_RL.numel()) {}

// 0 at prompt rows and tokens, -inf at padding. Undefined where no row is padded: that is the
// faster kernel.
at::Tensor Sights::key_bias(std::int64_t prompts) const {
  if (!padded_) return {};
  const std::int64_t rows = token_RL_.size(0), length = token_RL_.size(1);
  at::Tensor bias = at::zeros({rows, 1, 1, prompts + length}, token_RL_.options());
  bias.narrow(3, prompts, length).masked_fill_(token_RL_.view({rows, 1, 1, length}) == 0, kHidden);
  return bias;
}

// [1 or R, 1, K, K]. Padding sees itself, whatever it reaches: who sees nothing is no number.
at::Tensor Sights::reach_bias(const Reach& reach, std::int64_t prompts) const {
  const std::int64_t length = token_RL_.size(1), positions = prompts + length;
  const auto on = token_RL_.options().dtype(at::kLong);
  at::Tensor hidden_KK = at::zeros({positions, positions}, on.dtype(at::kBool));
  if (reach.window >= 0) hidden_KK = text_distance(prompts, length, on).abs() > reach.window;
  if (reach.causal) hidden_KK = hidden_KK.logical_or(at::ones_like(hidden_KK).triu(1));
  at::Tensor bias =
      at::zeros({1, 1, positions, positions}, token_RL_.options()).masked_fill_(hidden_KK, kHidden);
  if (!padded_ || reach.causal) return bias;  // padding comes last: who looks back sees none
  bias = bias + key_bias(prompts);
  bias.diagonal(0, 2, 3).fill_(0);
  return bias;
}

Sight Sights::make(const Reach& reach, std::int64_t prompts) const {
  Sight sight{.prompts = prompts};
  if (reach == Reach{}) {
    sight.bias = key_bias(prompts);
  } else if (reach.causal && reach.window < 0) {
    sight.causal = true;
  } else {
    sight.bias = reach_bias(reach, prompts);
  }
  return sight;
}

Sight Sights::of(const Reach& reach, std::int64_t prompts, const at::Tensor& keep_R) {
  Sight* sight = nullptr;
  for (Made& one : made_) {
    if (one.reach == reach && one.sight.prompts == prompts) sight = &one.sight;
  }
  if (sight == nullptr) {
    made_.push_back({reach, make(reach, prompts)});
    sight = &made_.back().sight;
  }
  if (!keep_R.defined() || (!sight->causal && (!sight->bias.defined() || sight->bias.size(2) == 1)))
    return *sight;
  const std::int64_t rows = token_RL_.size(0);
  const at::Tensor bias = sight->bias.defined() ? sight->bias : reach_bias(reach, prompts);
  const std::int64_t positions = bias.size(3);
  const at::Tensor row_R111 = keep_R.view({rows, 1, 1, 1}).expand({rows, 1, 1, positions});
  return {.bias = bias.expand({rows, 1, positions, positions}).gather(2, row_R111),
          .prompts = prompts};
}

Sight sight_of_memory(const Tokens& text, at::ScalarType dtype, std::int64_t queries) {
  Sight sight = Sights(text, token_mask(text, dtype)).of({}, 0, {});
  sight.queries = queries;
  return sight;
}

Sight sight_after(const Past& past, const Tokens& more, at::ScalarType dtype, const Reach& reach) {
  const std::int64_t rows = more.rows(), length = more.ids_RL.size(1);
  const at::Tensor place_L = at::arange(length, more.ids_RL.options());
  at::Tensor seen_RK = place_L.expand({rows, length}), query_RL = seen_RK;  // where each stands
  at::Tensor hidden_RLK =
      (place_L.unsqueeze(0) > place_L.unsqueeze(1)).expand({rows, length, length});
  if (past.token_RK().defined()) {
    const at::Tensor padding_R1K = past.token_RK().logical_not().unsqueeze(1);
    hidden_RLK = at::cat({padding_R1K.expand({rows, length, padding_R1K.size(2)}), hidden_RLK}, 2);
    query_RL = query_RL + past.length_R().unsqueeze(1);
    seen_RK = at::cat({past.token_RK().cumsum(1) - 1, query_RL}, 1);
  }
  if (reach.window >= 0) {
    hidden_RLK = hidden_RLK.logical_or(query_RL.unsqueeze(2) - seen_RK.unsqueeze(1) > reach.window);
  }
  return {.bias = at::zeros(hidden_RLK.sizes(), more.ids_RL.options().dtype(dtype))
                      .masked_fill_(hidden_RLK, kHidden)
                      .unsqueeze(1)};
}

}  // namespace metaloom
