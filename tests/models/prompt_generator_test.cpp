// Prompt generators: the papers' parameter counts, Kronecker products by hand, pooling as
// torch's AdaptiveAvgPool1d, padding without effect.
#include "models/prompt_generator.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/core/expect_error.h"

namespace metaloom {
namespace {

TEST(PromptGenerator, ParameterCountsAreThoseOfTheTable) {
  struct Row {
    std::int64_t width, bottleneck;
    std::vector<std::int64_t> counts;  // of orders 1, 2, 4, 8, 16, 32
  };
  const std::vector<Row> table{
      {384, 128, {98816, 49680, 25216, 13824, 14848, 69120}},
      {768, 256, {394240, 197648, 99456, 51200, 33792, 78848}},
      {1024, 128, {263296, 132240, 66816, 34944, 25728, 74880}},
      {1024, 256, {525568, 263440, 132480, 67840, 42240, 83200}},
      {1280, 256, {656896, 329232, 165504, 84480, 50688, 87552}},
      {4096, 256, {2101504, 1052944, 528768, 267520, 143616, 135424}},
  };
  const std::vector<std::int64_t> orders{1, 2, 4, 8, 16, 32};
  for (const Row& row : table) {
    for (std::size_t i = 0; i < orders.size(); ++i) {
      const GeneratorShape shape{row.width, row.bottleneck, orders[i]};
      EXPECT_EQ(shape.numel(), row.counts[i]) << row.width << " " << orders[i];
      if (row.width < 1000) {
        const Params made = shape.initial("x.", Rng(1), at::kFloat);
        EXPECT_EQ(made.numel(), row.counts[i]);
      }
    }
  }
}

TEST(PromptGenerator, HypercomplexMatricesAreSumsOfKroneckerProducts) {
  const at::Tensor a = Rng(1).normal_tensor({3, 3, 3}, 1, at::kDouble);
  const at::Tensor b = Rng(2).normal_tensor({3, 4, 2}, 1, at::kDouble);
  at::Tensor sum = at::zeros({12, 6}, at::kDouble);
  for (std::int64_t i = 0; i < 3; ++i) sum += at::kron(a[i], b[i]);
  EXPECT_LT((hypercomplex_OI(a, b) - sum).abs().max().item<double>(), 1e-14);
}

TEST(PromptGenerator, PoolingIsTorchsAdaptiveAveragePooling) {
  for (const std::int64_t bins : {1, 3, 5, 12}) {
    const at::Tensor length_R = at::tensor({11, 2, 5, 1}, at::kLong);
    const at::Tensor x_RLD = Rng(3).normal_tensor({4, 11, 6}, 1, at::kDouble);
    const at::Tensor pooled_RPD = pooling_RPL(length_R, 11, bins, at::kDouble).bmm(x_RLD);
    for (std::int64_t r = 0; r < 4; ++r) {
      const at::Tensor valid_DL = x_RLD[r].narrow(0, 0, length_R[r].item<std::int64_t>()).t();
      const at::Tensor torchs_DP = at::adaptive_avg_pool1d(valid_DL.unsqueeze(0), bins)[0];
      EXPECT_LT((pooled_RPD[r] - torchs_DP.t()).abs().max().item<double>(), 1e-14)
          << "row " << r << ", " << bins << " bins";
    }
  }
}

TEST(PromptGenerator, RowsAreTheBottleneckOfPooledStates) {
  for (const std::int64_t order : {1, 2, 4}) {
    const GeneratorShape shape{8, 4, order};
    Params params = shape.initial("g.", Rng(4), at::kDouble);
    params.set("g.down.bias", Rng(5).normal_tensor({4}, 1, at::kDouble));
    params.set("g.up.bias", Rng(6).normal_tensor({8}, 1, at::kDouble));
    const auto matrix = [&](const std::string& name) {
      return order == 1 ? params.at(name + ".weight")
                        : hypercomplex_OI(params.at(name + ".rules"), params.at(name + ".factors"));
    };
    const at::Tensor x_RPD = Rng(7).normal_tensor({2, 3, 8}, 1, at::kDouble);
    const at::Tensor inner =
        (at::matmul(x_RPD, matrix("g.down").t()) + params.at("g.down.bias")).clamp_min(0);
    const at::Tensor rows = at::matmul(inner, matrix("g.up").t()) + params.at("g.up.bias");
    const at::Tensor made = PromptGenerator(shape, params, "g.").rows_RPD(x_RPD);
    EXPECT_LT((made - rows).abs().max().item<double>(), 1e-14) << "order " << order;
  }
}

TEST(PromptGenerator, DecaysItsMatricesAndNotItsBiases) {
  for (const std::int64_t order : {1, 4}) {
    for (const auto& [name, shape] : GeneratorShape{8, 4, order}.shapes())
      EXPECT_EQ(GeneratorShape::decays("search.0." + name), shape.size() > 1) << name;
  }
}

TEST(PromptGenerator, MistakesAreNamed) {
  EXPECT_ERROR((GeneratorShape{384, 128, 5}.check()), Fault::usage, "5", "384", "128");
  EXPECT_ERROR((GeneratorShape{384, 0, 1}.check()), Fault::usage, "method.phm");
  const Params params = GeneratorShape{8, 4, 1}.initial("g.", Rng(1), at::kDouble);
  EXPECT_ERROR(PromptGenerator(GeneratorShape{8, 6, 1}, params, "g."), Fault::data, "6 x 8");
}

}  // namespace
}  // namespace metaloom
