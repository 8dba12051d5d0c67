#include <gtest/gtest.h>

#include <vector>

#include "worker/run_state.h"

namespace metaloom {
namespace {

using Rows = std::vector<std::int64_t>;

TEST(Lineage, CountsTheRowsThatWereTrainedOnByStageAndDataset) {
  Lineage lineage;
  lineage.add("1_muppet", "trec", Rows{1, 2, 3});
  lineage.add("1_muppet", "snli", Rows{3, 4});
  const auto found = lineage.overlap(Rows{3, 3, 1, 9});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found.at("1_muppet/trec"), (Rows{0, 1, 2}));
  EXPECT_EQ(found.at("1_muppet/snli"), (Rows{0, 1}));
  EXPECT_TRUE(lineage.overlap(Rows{9, 10}).empty());
  EXPECT_TRUE(Lineage().overlap(Rows{1}).empty());
}

TEST(Lineage, RowsOfTheSameNameAreAddedToThoseKnown) {
  Lineage lineage;
  lineage.add("train", "trec", Rows{1, 2});
  lineage.add("train", "trec", Rows{3});
  EXPECT_EQ(lineage.overlap(Rows{1, 2, 3, 4}).at("train/trec").size(), 3u);
}

TEST(Lineage, SurvivesACheckpointAndGrowsWithEveryStage) {
  Lineage first;
  first.add("1_muppet", "trec", Rows{-5, 7});
  Lineage second = Lineage::load(Archive::parse(first.save().image(), "test"));
  second.add("2_prompt", "hwu64", Rows{8});
  EXPECT_EQ(second.overlap(Rows{-5}).at("1_muppet/trec").size(), 1u);
  EXPECT_EQ(second.overlap(Rows{8}).at("2_prompt/hwu64").size(), 1u);
}

}  // namespace
}  // namespace metaloom
