// Rotary positions: what a score knows of them.
// Legend: R rows, K positions, H heads, E width of a head.
#include "models/layers/rotary.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/rng.h"

namespace metaloom::testing {
namespace {

const Rotary::Otherwise kHead{.theta = 100, .depth = 6, .positions = 32};

Rotary rotary_of(const char* given) {
  return Rotary::parse(Json::parse(given), kHead);
}

TEST(Rotary, ScoresDependOnHowFarApartPositionsAre) {
  const at::Tensor q_E = Rng(1).normal_tensor({6}, 1, at::kDouble);
  const at::Tensor k_E = Rng(2).normal_tensor({6}, 1, at::kDouble);
  const Turns turns(rotary_of("null"), 9, q_E);
  const at::Tensor q_KE = turns.turned(q_E.expand({1, 1, 9, 6}), 0, {})[0][0];
  const at::Tensor k_KE = turns.turned(k_E.expand({1, 1, 9, 6}), 0, {})[0][0];
  const at::Tensor score_KK = q_KE.matmul(k_KE.t());
  for (int far = 0; far < 9; ++far) {
    const at::Tensor alike = score_KK.diagonal(far);
    EXPECT_LT((alike - alike[0]).abs().max().item<double>(), 1e-5) << far;  // angles are fp32
  }
  EXPECT_GT((score_KK[0] - score_KK[0][0]).abs().max().item<double>(), 0.1);
}

TEST(Rotary, PromptRowsDoNotTurnAndTheTextTurnsAsWithoutThem) {
  const at::Tensor x_RHKE = Rng(3).normal_tensor({2, 3, 7, 6}, 1, at::kDouble);
  const Turns turns(rotary_of("null"), 5, x_RHKE);
  const at::Tensor all_RHKE = turns.turned(x_RHKE, 2, {});
  EXPECT_TRUE(at::equal(all_RHKE.narrow(2, 0, 2), x_RHKE.narrow(2, 0, 2)));
  EXPECT_TRUE(at::equal(all_RHKE.narrow(2, 2, 5), turns.turned(x_RHKE.narrow(2, 2, 5), 0, {})));
  const at::Tensor keep_R = at::tensor({6, 3}, at::kLong);
  const at::Tensor row_R = at::arange(2);
  const at::Tensor one_RH1E = x_RHKE.transpose(1, 2).index({row_R, keep_R}).unsqueeze(2);
  EXPECT_TRUE(at::equal(turns.turned(one_RH1E, 2, keep_R).squeeze(2),
                        all_RHKE.transpose(1, 2).index({row_R, keep_R})));
}

TEST(Rotary, ScalingSlowsWhatTurnsRarely) {
  const at::Tensor plain_F = rotary_of("null").frequency_F;
  EXPECT_TRUE(at::equal(rotary_of(R"({"type":"linear","factor":4})").frequency_F, plain_F / 4));
  EXPECT_TRUE(at::equal(rotary_of(R"({"type":"dynamic","factor":4})").frequency_F, plain_F));
  const at::Tensor llama3_F =
      rotary_of(R"({"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4})")
          .frequency_F;
  EXPECT_TRUE(at::equal(llama3_F[0], plain_F[0]));  // 32 / 2 pi: 5 turns
  EXPECT_TRUE(at::equal(llama3_F[2], plain_F[2] / 8));
  const Rotary yarn = rotary_of(R"({"rope_type":"yarn","factor":8,"beta_fast":4})");
  EXPECT_TRUE(at::equal(yarn.frequency_F[0], plain_F[0]));
  EXPECT_DOUBLE_EQ(yarn.scale, 0.1 * std::log(8) + 1);
}

}  // namespace
}  // namespace metaloom::testing
