// What a folder of token stores holds, where the disk that some of them lie on is not there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sampler/made_shards.h"

namespace metaloom::testing {
namespace {

using ::testing::HasSubstr;

TEST(MixFolder, AStoreBehindALinkToNothingIsNamedNotLeftOut) {
  // What broke: "*" trained on the others without a word.
  for (const char* ending : {".h5", ".shards"}) {
    TemporaryFolder folder, other;
    write(sample("classification", "here"), folder.path());
    if (std::string(ending) == ".h5") {
      write(sample("classification", "away"), folder.path());
    } else {
      write_shards(sample("classification", "away"), folder.path(), 10);
    }
    MixOptions options;
    options.root = folder.path().string();
    const auto rows = folder.path() / (std::string("away") + ending);
    std::filesystem::rename(rows, other.path() / rows.filename());
    std::filesystem::create_symlink(other.path() / rows.filename(), rows);
    for (const std::string chosen : {"*", "away"}) {
      options.datasets = {chosen};
      EXPECT_EQ(Mix(options, Rng(0)).datasets(), chosen == "*" ? 2 : 1);
    }
    std::filesystem::remove_all(other.path() / rows.filename());
    for (const std::string chosen : {"*", "away"}) {
      options.datasets = {chosen};
      EXPECT_THAT(error_of(Fault::data, [&] { Mix(options, Rng(0)); }), HasSubstr(rows.string()));
    }
  }
}

}  // namespace
}  // namespace metaloom::testing
