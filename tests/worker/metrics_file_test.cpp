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
               "{\"kind\":\"evaluation\",\"step\":2,\"final\":true}\n"
               "{\"kind\":\"update\",\"st");
  MetricsFile(path, 2).append("{\"kind\":\"update\",\"step\":3,\"again\":1}");
  EXPECT_EQ(read_text(path),
            "{\"kind\":\"evaluation\",\"step\":0}\n"
            "{\"kind\":\"update\",\"step\":1}\n"
            "{\"kind\":\"update\",\"step\":2}\n"
            "{\"kind\":\"update\",\"step\":3,\"again\":1}\n");
}

TEST(MetricsFile, RefusesAFolderThatIsNotThere) {
  EXPECT_THROW(MetricsFile("no/such/folder/metrics.jsonl", 0), Error);
}

}  // namespace
}  // namespace metaloom
