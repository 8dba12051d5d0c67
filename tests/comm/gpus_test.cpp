// Which worlds of GPUs are refused, from what their ranks would tell: needs no GPU.
#include "comm/gpus.h"

#include <gtest/gtest.h>

#include "comm/world.h"
#include "core/json.h"

namespace metaloom {
namespace {

std::string rank_with(const std::string& uuid, int device, const std::string& host_id = "") {
  return Json{{"host", "n1"}, {"device", device}, {"uuid", uuid}, {"host_id", host_id}, {"why", ""}}
      .dump();
}

const std::string kNone =
    R"({"host": "n2", "device": -1, "uuid": "", "host_id": "", "why": "no GPU is visible"})";

TEST(Gpus, EveryRankNeedsOneOfItsOwn) {
  const std::string a = rank_with("aa", 0), b = rank_with("bb", 0);
  EXPECT_EQ(shared_gpu({a, b}), "");
  EXPECT_EQ(missing_gpu({a, b}), "");
  EXPECT_EQ(shared_gpu({a, b, rank_with("bb", 1)}), "ranks 1 and 2 share GPU 1 of n1");
  EXPECT_EQ(missing_gpu({a, kNone}), "rank 1 on n2: no GPU is visible");
}

TEST(Gpus, RanksOnCpusShareNothing) {
  EXPECT_EQ(shared_gpu({kNone, kNone, rank_with("aa", 0)}), "");
}

TEST(Gpus, ADeviceMayBeSharedByWhatPassesForTwoNodes) {
  EXPECT_EQ(shared_gpu({rank_with("aa", 0, "x"), rank_with("aa", 0, "y")}), "");
  EXPECT_NE(shared_gpu({rank_with("aa", 0, "x"), rank_with("aa", 0, "x")}), "");
  EXPECT_NE(shared_gpu({rank_with("aa", 0, "x"), rank_with("aa", 0)}), "");
}

TEST(Gpus, WhatARankTellsIsUnderstood) {
  run_local_world(2, CommOptions(), [](Communicator& comm) {
    const bool has = rank_device(comm.place()).is_cuda();
    EXPECT_EQ(missing_gpu({describe_gpu(comm.place())}).empty(), has);
  });
}

}  // namespace
}  // namespace metaloom
