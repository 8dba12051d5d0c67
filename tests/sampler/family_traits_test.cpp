// What a family says of its tasks without a store is what they are.
#include "sampler/families/family_traits.h"

#include <gtest/gtest.h>

#include "core/registry.h"
#include "sampler/families/task_family.h"
#include "tests/core/expect_error.h"
#include "tests/sampler/made_stores.h"

namespace metaloom::testing {
namespace {

TEST(FamilyTraits, EveryFamilyTellsItsOwn) {
  EXPECT_EQ(Registry<FamilyTraits>::names(), Registry<TaskFamily>::names());
}

TEST(FamilyTraits, TheyAreTrueOfTheTasks) {
  for (const std::string& name : Registry<TaskFamily>::names()) {
    SCOPED_TRACE(name);
    const TemporaryFolder folder;
    const TokenStore store(write(sample(name), folder.path()));
    TaskOptions options;
    options.ways = 3;
    const auto family = Registry<TaskFamily>::make(name, store, options, Rng(1, "test"));
    const FamilyTraits traits = traits_of(store.info());
    const Task task = family->draw({});
    EXPECT_EQ(traits.episodes, !task.support.empty());
    EXPECT_EQ(traits.target == TargetKind::label, !task.classes.empty());
  }
}

TEST(FamilyTraits, AnUnknownFamilyIsNamed) {
  DatasetInfo info;
  info.family = "episode";
  EXPECT_ERROR(traits_of(info), Fault::usage, "episode", "episodes");
}

}  // namespace
}  // namespace metaloom::testing
