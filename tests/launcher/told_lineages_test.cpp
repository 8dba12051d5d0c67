// Rank 0 looks for overlaps, the others wait: for one data set at a time.
#include "launcher/stage/told_lineages.h"

#include <gtest/gtest.h>

#include "tests/core/expect_error.h"
#include "tests/core/virtual_time.h"

namespace metaloom {
namespace {

constexpr double kDeadline = 60;

/// A search through five stores, each of which takes most of the deadline, on a world of three.
void search(bool tells) {
  VirtualTime time;
  time.run([&] {
    run_local_world(3, {.deadline = kDeadline}, time, [&](Communicator& comm) {
      const auto lineages = told_lineages(comm, [&](const Alive& alive) {
        for (int store = 0; store < 5; ++store) {
          comm.clock().sleep(0.8 * kDeadline);
          if (tells) alive();
        }
        StageLineage out;
        out.found.push_back({"snips", Split::test, "1_muppet/snips", {3, 5}, "a line"});
        return std::vector{out};
      });
      ASSERT_EQ(lineages.size(), 1u);
      EXPECT_EQ(lineages[0].found.at(0).rows, (std::vector<std::int64_t>{3, 5}));
    });
  });
}

TEST(ToldLineages, ASearchMayTakeLongerThanTheDeadlineOfAWait) {
  // What broke: the others waited for all of it at once, and named no section.
  search(/*tells=*/true);
  EXPECT_ERROR(search(/*tells=*/false), Fault::hang, "rank 0 was last in section \"overlaps\"");
}

TEST(ToldLineages, WhatTheSearchThrowsEndsAll) {
  const auto refused = [] {
    run_local_world(2, {}, [](Communicator& comm) {
      told_lineages(comm, [](const Alive& alive) -> std::vector<StageLineage> {
        alive();
        throw Error(Fault::data, "damaged", "snips.h5");
      });
    });
  };
  EXPECT_ERROR(refused(), Fault::data, "snips.h5: damaged");
}

}  // namespace
}  // namespace metaloom
