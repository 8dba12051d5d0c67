#include "worker/metrics_file.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/files.h"
#include "tests/core/scratch.h"

namespace metaloom {
namespace {

TEST(MetricsFile, KeepsOneCurveThroughAResume) {
  const Scratch scratch;
  const auto path = scratch.path() / "metrics.jsonl";
  replace_file(path,
               "{\"kind\":\"evaluation\",\"step\":0}\n"
               "{\"kind\":\"update\",\"step\":1}\n"
               "{\"kind\":\"update\",\"step\":2}\n"
               "{\"kind\":\"update\",\"step\":3}\n"
               "{\"kind\":\"evaluation\",\"step\":1}\n"
               "{\"kind\":\"evaluation\",\"step\":2}\n"
               "{\"kind\":\"evaluation\",\"step\":2,\"final\":true}\n"
               "{\"kind\":\"update\",\"st");
  MetricsFile(path, 2).append("{\"kind\":\"update\",\"step\":3,\"again\":1}");
  EXPECT_EQ(read_text(path),
            "{\"kind\":\"evaluation\",\"step\":0}\n"
            "{\"kind\":\"update\",\"step\":1}\n"
            "{\"kind\":\"update\",\"step\":2}\n"
            "{\"kind\":\"evaluation\",\"step\":1}\n"
            "{\"kind\":\"update\",\"step\":3,\"again\":1}\n");
}

TEST(MetricsFile, DropsLinesThatAreNoneOfOurs) {
  const Scratch scratch;
  const auto path = scratch.path() / "metrics.jsonl";
  const std::string good = "{\"kind\":\"update\",\"step\":1,\"final\":3}\n";
  for (const std::string line :
       {"[1]", "7", "null", "{\"step\":\"one\"}", "{\"step\":null}", "{}", "", "}", "\"step\""}) {
    replace_file(path, good + line + "\n" + good);
    const MetricsFile file(path, 2);
    EXPECT_EQ(read_text(path), good + good) << line;
  }
}

TEST(MetricsFile, StartsAfreshAtStepZero) {
  const Scratch scratch;
  const auto path = scratch.path() / "metrics.jsonl";
  replace_file(path, "{\"kind\":\"evaluation\",\"step\":0}\n");
  MetricsFile(path, 0).append("{\"step\":0}");
  EXPECT_EQ(read_text(path), "{\"step\":0}\n");
}

TEST(MetricsFile, WhatCannotBeReadIsAnErrorAndStays) {
  const Scratch scratch;
  const auto path = scratch.path() / "metrics.jsonl";
  std::filesystem::create_directory(path);
  EXPECT_THROW(MetricsFile(path, 2), Error);
  EXPECT_TRUE(std::filesystem::is_directory(path));
}

TEST(MetricsFile, RefusesAFolderThatIsNotThere) {
  EXPECT_THROW(MetricsFile("no/such/folder/metrics.jsonl", 0), Error);
}

}  // namespace
}  // namespace metaloom
