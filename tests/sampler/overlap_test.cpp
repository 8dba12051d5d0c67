// Texts that stand in an evaluation split and in what was trained on.
#include <gtest/gtest.h>

#include "tests/sampler/made_stores.h"

namespace metaloom::testing {
namespace {

TEST(Overlaps, AreCountedByEvaluatedRow) {
  TemporaryFolder folder;
  StoreArrays evaluated = sample("classification", "evaluated");
  StoreArrays trained = sample("classification", "trained");
  StoreArrays clean = sample("classification", "clean");
  auto& test = evaluated.split(Split::test).text_digests;
  auto& train = trained.split(Split::train).text_digests;
  test[9] = test[4] = train[30];  // one text twice in the test split, twice in training
  train[31] = train[30];
  test[15] = train[2];
  clean.split(Split::test).text_digests[0] = test[0];  // not in its training rows
  const TokenStore e(write(evaluated, folder.path())), t(write(trained, folder.path())),
      c(write(clean, folder.path()));
  const auto found = overlaps(e, Split::test, {&c, &t});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].evaluated, "evaluated");
  EXPECT_EQ(found[0].trained_on, "trained");
  EXPECT_EQ(found[0].rows, 3);
  EXPECT_EQ(found[0].example_row, "test row 4");
  EXPECT_TRUE(overlaps(e, Split::validation, {&c, &t}).empty());
  EXPECT_EQ(overlaps(t, Split::train, {&t}).at(0).rows, 75) << "a store overlaps itself wholly";
}

}  // namespace
}  // namespace metaloom::testing
