// Which parameters weight decay is for, and in which order groups list them.
#include "methods/theta.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/expect_error.h"
#include "tests/methods/tiny_batches.h"

namespace metaloom {
namespace {

using ::testing::ElementsAre;

TEST(GroupsByDecay, FollowWhatTheBackboneDeclares) {
  const Pretrained pretrained = tiny_bert(1);
  std::vector<std::string> names, matrices, vectors;
  for (const auto& [name, value] : pretrained.weights) {
    names.push_back(kModelPrefix + name);
    (value.dim() < 2 ? vectors : matrices).push_back(names.back());
  }
  const auto groups = groups_by_decay("body", names, declared_decays(*pretrained.backbone), 3);
  ASSERT_EQ(groups.size(), 2);
  EXPECT_EQ(groups[0].name, "body");
  EXPECT_EQ(groups[0].parameters, matrices);  // of BERT, in the order given
  EXPECT_FALSE(groups[0].decay.has_value());
  EXPECT_EQ(groups[1].name, "body-undecayed");
  EXPECT_EQ(groups[1].parameters, vectors);
  EXPECT_EQ(groups[1].decay, 0.0);
  EXPECT_EQ(groups[1].rate_scale, 3);
}

TEST(GroupsByDecay, LeaveEmptyGroupsOut) {
  const auto none = [](std::string_view) { return false; };
  const auto groups = groups_by_decay("x", {"b", "a"}, none);
  ASSERT_EQ(groups.size(), 1);
  EXPECT_EQ(groups[0].name, "x-undecayed");
  EXPECT_THAT(groups[0].parameters, ElementsAre("b", "a"));
}

TEST(GroupsByDecay, AParameterThatIsNotDeclaredIsNamed) {
  const auto decays = declared_decays(*tiny_bert(1).backbone);
  EXPECT_ERROR(decays("model.encoder.layer.7.output.dense.bias"), Fault::internal, "layer.7");
}

}  // namespace
}  // namespace metaloom
