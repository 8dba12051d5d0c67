// The fair share of a host's cores: affinity, quotas of control groups, OMP_NUM_THREADS.
#include "comm/cores.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace metaloom {
namespace {

Processors on(const std::string& cores, std::vector<ProcessorQuota> quotas = {}, int threads = 0) {
  Processors out;
  for (std::size_t i = 0; i < cores.size(); ++i) out.allowed[i] = cores[i] == '1';
  std::copy(quotas.begin(), quotas.end(), out.quotas.begin());
  out.threads = threads;
  return out;
}

TEST(Cores, AreSharedAmongTheRanksBoundToThem) {
  EXPECT_GE(fair_share({own_processors()}, 0), 1);
  EXPECT_EQ(fair_share({on("1111"), on("1111")}, 0), 2);     // unbound: shared
  EXPECT_EQ(fair_share({on("1100"), on("0011")}, 1), 2);     // bound apart: its own
  EXPECT_EQ(fair_share({on("1"), on("1"), on("1")}, 2), 1);  // oversubscribed: one at least
  const std::vector<Processors> three{on("11110000"), on("11110000"), on("00001111")};
  EXPECT_EQ(fair_share(three, 0), 2);
  EXPECT_EQ(fair_share(three, 2), 4);
}

TEST(Cores, AQuotaIsSharedByTheRanksOfItsGroup) {
  // What broke: a container that may use two of 64 cores ran 64 threads on them.
  const std::string all(64, '1');
  EXPECT_EQ(fair_share({on(all, {{7, 2.0}})}, 0), 2);
  EXPECT_EQ(fair_share({on(all, {{7, 2.5}})}, 0), 2);
  EXPECT_EQ(fair_share({on(all, {{7, 0.5}})}, 0), 1);
  EXPECT_EQ(fair_share({on(all, {{7, 8.0}}), on(all, {{7, 8.0}})}, 0), 4);  // one group
  EXPECT_EQ(fair_share({on(all, {{7, 8.0}}), on(all, {{9, 4.0}})}, 0), 8);  // one each
  EXPECT_EQ(fair_share({on(all, {{7, 8.0}}), on(all, {{9, 4.0}})}, 1), 4);
  const std::vector<ProcessorQuota> first{{8, 6.0}, {7, 8.0}}, second{{9, 6.0}, {7, 8.0}};
  EXPECT_EQ(fair_share({on(all, first), on(all, second)}, 0), 4);  // of the group around both
}

TEST(Cores, AreNoMoreThanTheEnvironmentSays) {
  // What broke: comm.threads=0 took all cores whatever OMP_NUM_THREADS said.
  EXPECT_EQ(fair_share({on("11111111", {}, 3)}, 0), 3);
  EXPECT_EQ(fair_share({on("11", {}, 8)}, 0), 2);
  for (const char* name : {"OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "MKL_NUM_THREADS"}) {
    const char* before = std::getenv(name);
    const std::string kept = before == nullptr ? "" : before;
    setenv(name, "1,4", 1);
    EXPECT_EQ(own_processors().threads, 1) << name;
    if (before != nullptr) {
      setenv(name, kept.c_str(), 1);
    } else {
      unsetenv(name);
    }
  }
}

}  // namespace
}  // namespace metaloom
