#include "core/error.h"

#include <gtest/gtest.h>

namespace metaloom {
namespace {

TEST(Error, SaysWhereWhatAndCure) {
  const Error error(Fault::data, "row 3 has no label", "sets/trec.h5", "Add one.");
  EXPECT_STREQ(error.what(), "sets/trec.h5: row 3 has no label. Add one.");
  EXPECT_EQ(error.exit_code(), 3);
}

TEST(Error, LeavesOutWhatIsNotKnown) {
  EXPECT_STREQ(Error(Fault::usage, "no verb").what(), "no verb");
  EXPECT_STREQ(Error(Fault::usage, "no verb", "", "Name one.").what(), "no verb. Name one.");
  EXPECT_STREQ(Error(Fault::usage, "Ends.", "x", "Cure.").what(), "x: Ends. Cure.");
}

TEST(Error, ExitCodesAreThoseOfTheBatchScripts) {
  EXPECT_EQ(Error(Fault::usage, "").exit_code(), 2);
  EXPECT_EQ(Error(Fault::no_checkpoint, "").exit_code(), 4);
  EXPECT_EQ(Error(Fault::internal, "").exit_code(), 70);
  EXPECT_EQ(Error(Fault::temporary, "").exit_code(), 75);
  EXPECT_EQ(Error(Fault::hang, "").exit_code(), 86);
  EXPECT_EQ(Error(Fault::non_finite, "").exit_code(), 87);
}

}  // namespace
}  // namespace metaloom
