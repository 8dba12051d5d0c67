#include "core/spelling.h"

#include <gtest/gtest.h>

namespace metaloom {
namespace {

TEST(EditDistance, CountsSingleLetters) {
  EXPECT_EQ(edit_distance("", ""), 0);
  EXPECT_EQ(edit_distance("steps", "steps"), 0);
  EXPECT_EQ(edit_distance("steps", "step"), 1);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
}

TEST(EditDistance, CountsNeighboursSwappedAsOne) {
  EXPECT_EQ(edit_distance("stpes", "steps"), 1);
  EXPECT_EQ(edit_distance("ab", "ba"), 1);
  EXPECT_EQ(edit_distance("ca", "abc"), 3);  // optimal string alignment edits no piece twice
}

TEST(DidYouMean, OffersTheNearest) {
  const auto cure = did_you_mean("stpes", {"rate", "steps", "seed"});
  EXPECT_EQ(cure, "Did you mean \"steps\"? Known: rate, seed, steps.");
}

TEST(DidYouMean, OffersAllThatAreEquallyNear) {
  EXPECT_EQ(did_you_mean("shot", {"shots", "short"}),
            "Did you mean \"short\" or \"shots\"? Known: short, shots.");
}

TEST(DidYouMean, OffersNothingFarFetched) {
  EXPECT_EQ(did_you_mean("banana", {"steps", "rate"}), "Known: rate, steps.");
  EXPECT_EQ(did_you_mean("banana", {}), "None is known here.");
}

TEST(DidYouMean, ShortensLongLists) {
  std::vector<std::string> known;
  for (int i = 0; i < 300; ++i) known.push_back("layer." + std::to_string(i) + ".weight");
  const auto cure = did_you_mean("layer.299.wieght", known);
  EXPECT_TRUE(cure.starts_with("Did you mean \"layer.299.weight\"? Nearest known: ")) << cure;
  EXPECT_LT(cure.size(), 1200u);
}

TEST(TypedPath, IsWhatAShellMustBeGiven) {
  // What broke: the command that adapt printed failed for a folder with a blank in its name.
  EXPECT_EQ(typed_path("runs/mine"), "runs/mine");
  EXPECT_EQ(typed_path("runs/lr=0.1"), "runs/lr=0.1");
  EXPECT_EQ(typed_path("two words"), "'two words'");
  EXPECT_EQ(typed_path("don't"), "'don'\\''t'");
  EXPECT_EQ(typed_path("#1"), "'#1'");
  EXPECT_EQ(typed_path("--odd"), "./--odd");
  EXPECT_EQ(typed_path(""), "''");
}

}  // namespace
}  // namespace metaloom
