// The laws of every communicator, at every size: texts, votes, what may overlap, what is refused.
// Those of sums and parts are in tensor_laws_test.cpp. Backends whose ranks are processes come here
// through tests/comm/mpi_laws_test.py and nccl_laws_test.py, which start this program under mpirun.
#include "tests/comm/communicator_laws.h"

#include <ATen/ATen.h>

#include <chrono>
#include <thread>

#include "comm/world.h"
#include "core/registry.h"

namespace metaloom {
namespace {

TEST_P(CommunicatorLaws, EveryRankHasAPlace) {
  run([](Communicator& comm) {
    const Place& place = comm.place();
    EXPECT_GE(place.rank, 0);
    EXPECT_LT(place.rank, place.size);
    EXPECT_LT(place.local_rank, place.local_size);
    EXPECT_LE(place.local_size, place.size);
    EXPECT_FALSE(place.host.empty());
    EXPECT_GE(threads_per_rank({}, place), 1);
    CommOptions fixed;
    fixed.threads = 3;
    EXPECT_EQ(threads_per_rank(fixed, place), 3);
    const auto ranks = comm.all_gather(std::to_string(comm.rank()));
    for (int i = 0; i < comm.size(); ++i) EXPECT_EQ(ranks[i], std::to_string(i));
  });
}

TEST_P(CommunicatorLaws, GathersTextsOfAnyLength) {
  run([](Communicator& comm) {
    const auto text = [](int rank) { return std::string(rank * 3, '\0') + std::string(rank, 'x'); };
    const auto all = comm.all_gather(text(comm.rank()));  // rank 0 has nothing to say
    ASSERT_EQ(all.size(), static_cast<std::size_t>(comm.size()));
    for (int i = 0; i < comm.size(); ++i) EXPECT_EQ(all[i], text(i));
  });
}

// On one clock: the worlds of the laws are on one host.
std::int64_t now_ns() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

TEST_P(CommunicatorLaws, NobodyPassesABarrierBeforeAllHaveCome) {
  run([](Communicator& comm) {
    for (int late = 0; late < comm.size(); ++late) {
      comm.barrier();
      if (comm.rank() == late) std::this_thread::sleep_for(std::chrono::milliseconds(200));
      const std::int64_t before = now_ns();
      comm.barrier();
      const std::int64_t after = now_ns();
      const auto befores = comm.all_gather(std::to_string(before));
      EXPECT_GE(after, std::stoll(befores[late])) << "rank " << late << " had not come";
    }
  });
}

TEST_P(CommunicatorLaws, AVoteIsTheLargestOfEach) {
  run([](Communicator& comm) {
    const int n = comm.size(), rank = comm.rank();
    const auto result = comm.vote({rank == n - 1 ? 1 : 0, -rank, -5, INT64_MAX - rank});
    EXPECT_EQ(result, (std::vector<std::int64_t>{1, 0, -5, INT64_MAX}));
  });
}

TEST_P(CommunicatorLaws, OperationsMayOverlap) {
  run([&](Communicator& comm) {
    const int n = comm.size();
    at::Tensor a = at::full({300'001}, comm.rank(), on(comm, at::kFloat));
    at::Tensor b = at::full({17}, comm.rank(), on(comm, at::kDouble));
    at::Tensor c = at::ones({1}, on(comm, at::kLong));
    auto first = comm.all_reduce(a, Reduce::sum);
    auto second = comm.all_reduce(b, Reduce::max);
    EXPECT_EQ(comm.vote({comm.rank()}).front(), n - 1);  // control does not wait for data
    EXPECT_EQ(comm.all_gather("x").size(), static_cast<std::size_t>(n));  // nor do texts
    at::Tensor e = at::full({n, 100'003}, comm.rank(), on(comm, at::kFloat)), f = e.clone();
    auto third = comm.reduce_scatter(e, Reduce::max);
    auto fourth = comm.all_gather(f);
    at::Tensor d = at::full({2}, comm.rank(), on(comm, at::kFloat));
    comm.broadcast(d, n - 1);
    comm.all_reduce(c, Reduce::sum).reset();  // letting go of an operation waits for it
    fourth->wait();
    second->wait();
    first->wait();
    third.reset();
    first->wait();  // twice is once
    EXPECT_TRUE(at::equal(a, at::full_like(a, n * (n - 1) / 2)));
    EXPECT_TRUE(at::equal(b, at::full_like(b, n - 1)));
    EXPECT_EQ(c.item<std::int64_t>(), n);
    EXPECT_TRUE(at::equal(d, at::full_like(d, n - 1)));
    EXPECT_TRUE(comm.part(e).eq(n - 1).all().item<bool>());
    for (int i = 0; i < n; ++i) EXPECT_TRUE(f[i].eq(i).all().item<bool>());
  });
}

TEST_P(CommunicatorLaws, WhatCannotBeReducedIsRefusedBeforeAnybodyWaits) {
  run([&](Communicator& comm) {
    const at::Tensor square = at::zeros({3, 3}, on(comm, at::kFloat));
    expect_fault(Fault::internal, [&] { comm.all_reduce(square.t(), Reduce::sum); });
    expect_fault(Fault::internal, [&] { comm.broadcast(square.t(), 0); });
    expect_fault(Fault::internal, [&] { comm.all_reduce(square.to(at::kHalf), Reduce::sum); });
    const at::Tensor parts = at::zeros({comm.size(), 2}, on(comm, at::kFloat));
    expect_fault(Fault::internal, [&] { comm.reduce_scatter(parts.to(at::kByte), Reduce::sum); });
    if (comm.size() > 1) {
      const at::Tensor uneven = at::zeros({comm.size() + 1}, on(comm, at::kFloat));
      expect_fault(Fault::internal, [&] { comm.reduce_scatter(uneven, Reduce::sum); });
      expect_fault(Fault::internal, [&] { comm.all_gather(uneven); });
      expect_fault(Fault::internal, [&] { comm.all_gather(parts.t()); });
    }
    comm.barrier();
  });
}

TEST_P(CommunicatorLaws, SectionsNest) {
  run([](Communicator& comm) {
    const Section outer(comm, "outer", std::chrono::seconds(50));
    for (int i = 0; i < 200; ++i) {  // more notes than there is room for
      const Section inner(comm, "inner " + std::string(100, 'x'));
      inner.alive();
    }
    comm.barrier();
  });
}

INSTANTIATE_TEST_SUITE_P(Worlds, CommunicatorLaws, testing::ValuesIn(worlds_here()),
                         [](const auto& kind) {
                           return kind.param.backend + "_" + std::to_string(kind.param.size);
                         });

TEST(Backends, AreTheOnesThatTheLawsRunOn) {
  // A new backend needs a way into tests/comm/worlds.cpp, or its laws are not checked.
  EXPECT_EQ(Registry<Communicator>::names(),
#ifdef METALOOM_CUDA
            (std::vector<std::string>{"local", "mpi", "nccl"}));
#else
            (std::vector<std::string>{"local", "mpi"}));
#endif
}

}  // namespace
}  // namespace metaloom
