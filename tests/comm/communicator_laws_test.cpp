// The laws of every communicator, at every size. Backends whose ranks are processes come here
// through tests/comm/mpi_laws_test.py and nccl_laws_test.py, which start this program under mpirun.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "comm/communicator.h"
#include "comm/world.h"
#include "core/digest.h"
#include "core/error.h"
#include "core/registry.h"
#include "core/rng.h"
#include "tests/comm/worlds.h"

namespace metaloom {
namespace {

class CommunicatorLaws : public testing::TestWithParam<WorldKind> {
 protected:
  void run(const std::function<void(Communicator&)>& rank_main) {
    run_world(GetParam(), rank_main);
  }
  at::TensorOptions on(const Communicator& comm, at::ScalarType type) const {
    return at::TensorOptions(type).device(data_device(GetParam(), comm));
  }
};

// The bits of a tensor, as text that can be compared.
std::string bits(const at::Tensor& tensor) {
  const at::Tensor host = tensor.cpu().contiguous();
  return std::string(static_cast<const char*>(host.data_ptr()), host.nbytes());
}

void expect_fault(Fault fault, const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), fault) << error.what();
  }
}

TEST_P(CommunicatorLaws, EveryRankHasAPlace) {
  run([](Communicator& comm) {
    EXPECT_GE(comm.rank(), 0);
    EXPECT_LT(comm.rank(), comm.size());
    EXPECT_LT(comm.local_rank(), comm.local_size());
    EXPECT_LE(comm.local_size(), comm.size());
    EXPECT_FALSE(comm.host().empty());
    EXPECT_GE(threads_per_rank({}, comm), 1);
    CommOptions fixed;
    fixed.threads = 3;
    EXPECT_EQ(threads_per_rank(fixed, comm), 3);
    const auto ranks = comm.all_gather(std::to_string(comm.rank()));
    for (int i = 0; i < comm.size(); ++i) EXPECT_EQ(ranks[i], std::to_string(i));
  });
}

TEST_P(CommunicatorLaws, SumMinAndMaxOfEveryType) {
  run([&](Communicator& comm) {
    const int n = comm.size();
    for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kLong}) {
      const at::Tensor base = at::arange(5, on(comm, type));  // 0 1 2 3 4
      const at::Tensor mine = base + comm.rank();
      const auto reduced = [&](Reduce how) {
        at::Tensor data = mine.clone();
        comm.all_reduce(data, how)->wait();
        return data;
      };
      EXPECT_TRUE(at::equal(reduced(Reduce::sum), base * n + n * (n - 1) / 2));
      EXPECT_TRUE(at::equal(reduced(Reduce::min), base));
      EXPECT_TRUE(at::equal(reduced(Reduce::max), base + (n - 1)));
    }
    at::Tensor empty = at::empty({0}, on(comm, at::kFloat));
    comm.all_reduce(empty, Reduce::sum)->wait();
    const std::int64_t big = (std::int64_t{1} << 53) + 1;  // no double holds it
    at::Tensor exact = at::full({1}, comm.rank() == 0 ? big : 0, on(comm, at::kLong));
    comm.all_reduce(exact, Reduce::sum)->wait();
    EXPECT_EQ(exact.item<std::int64_t>(), big);
  });
}

TEST_P(CommunicatorLaws, SumsHaveTheSameBitsOnAllRanksAndAtEveryRun) {
  run([&](Communicator& comm) {
    const at::Tensor mine =
        Rng(7).at({comm.rank()}).normal_tensor({10007}, 1.0, at::kFloat).to(on(comm, at::kFloat));
    std::string first;
    for (int attempt = 0; attempt < 3; ++attempt) {
      at::Tensor data = mine.clone();
      comm.all_reduce(data, Reduce::sum)->wait();
      const auto all = comm.all_gather(hex(digest(bits(data))));
      for (const std::string& theirs : all) EXPECT_EQ(theirs, all[0]);
      if (attempt == 0) first = all[0];
      EXPECT_EQ(all[0], first);
    }
  });
}

TEST_P(CommunicatorLaws, BroadcastsFromEveryRoot) {
  run([&](Communicator& comm) {
    for (int root = 0; root < comm.size(); ++root) {
      for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kByte, at::kLong}) {
        at::Tensor data = at::full({3, 5}, comm.rank() + 1, on(comm, type));
        comm.broadcast(data, root);
        EXPECT_TRUE(at::equal(data, at::full({3, 5}, root + 1, on(comm, type))));
      }
    }
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

// Which rank holds contribution `index` of `count`, in world of `size`.
using Deal = std::function<int(std::int64_t index, std::int64_t count, int size)>;

TEST_P(CommunicatorLaws, AnOrderedSumDoesNotDependOnWhoHoldsWhat) {
  const std::vector<Deal> deals = {
      [](std::int64_t i, std::int64_t, int size) { return static_cast<int>(i % size); },
      [](std::int64_t i, std::int64_t n, int size) { return static_cast<int>(i * size / n); },
      [](std::int64_t, std::int64_t, int size) { return size - 1; },
      [](std::int64_t i, std::int64_t, int size) { return static_cast<int>((i * i + 1) % size); },
  };
  run([&](Communicator& comm) {
    const std::int64_t count = 13;
    const auto contribution = [&](std::int64_t i) {
      // Magnitudes far apart: any other order rounds differently.
      return (Rng(3).at({i}).normal_tensor({257}, 1.0, at::kFloat) * std::pow(10.0, i % 5 * 2))
          .to(on(comm, at::kFloat));
    };
    const at::Tensor start = Rng(4).normal_tensor({257}, 1.0, at::kFloat).to(on(comm, at::kFloat));
    at::Tensor expected = start.clone();
    for (std::int64_t i = 0; i < count; ++i) expected = expected + contribution(i);
    for (const Deal& deal : deals) {
      std::vector<std::pair<std::int64_t, at::Tensor>> mine;
      for (std::int64_t i = count - 1; i >= 0; --i) {  // the order of the list says nothing
        if (deal(i, count, comm.size()) == comm.rank()) mine.emplace_back(i, contribution(i));
      }
      at::Tensor sum = start.clone();
      comm.ordered_sum(sum, mine, count);
      EXPECT_EQ(bits(sum), bits(expected));
    }
    at::Tensor untouched = start.clone();
    comm.ordered_sum(untouched, {}, 0);
    EXPECT_EQ(bits(untouched), bits(start));
  });
}

TEST_P(CommunicatorLaws, AnOrderedSumOfMissingOrDoubleContributionsIsRefusedByAll) {
  run([&](Communicator& comm) {
    const at::Tensor one = at::ones({2}, on(comm, at::kFloat));
    at::Tensor sum = at::zeros({2}, on(comm, at::kFloat));
    std::vector<std::pair<std::int64_t, at::Tensor>> mine = {{comm.rank(), one}};
    expect_fault(Fault::internal, [&] { comm.ordered_sum(sum, mine, comm.size() + 1); });
    mine.emplace_back(0, one);  // held twice, in a world of one by the same rank
    expect_fault(Fault::internal, [&] { comm.ordered_sum(sum, mine, comm.size()); });
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
    at::Tensor d = at::full({2}, comm.rank(), on(comm, at::kFloat));
    comm.broadcast(d, n - 1);
    comm.all_reduce(c, Reduce::sum).reset();  // letting go of an operation waits for it
    second->wait();
    first->wait();
    first->wait();  // twice is once
    EXPECT_TRUE(at::equal(a, at::full_like(a, n * (n - 1) / 2)));
    EXPECT_TRUE(at::equal(b, at::full_like(b, n - 1)));
    EXPECT_EQ(c.item<std::int64_t>(), n);
    EXPECT_TRUE(at::equal(d, at::full_like(d, n - 1)));
  });
}

TEST_P(CommunicatorLaws, LargeTensors) {
  run([&](Communicator& comm) {
    const std::int64_t count = std::int64_t{1} << 23;
    at::Tensor data = at::arange(count, on(comm, at::kFloat)) + comm.rank();
    comm.all_reduce(data, Reduce::min)->wait();
    EXPECT_TRUE(at::equal(data, at::arange(count, on(comm, at::kFloat))));
    if (comm.rank() != comm.size() - 1) data.zero_();
    comm.broadcast(data, comm.size() - 1);
    EXPECT_TRUE(at::equal(data, at::arange(count, on(comm, at::kFloat))));
  });
}

TEST_P(CommunicatorLaws, WhatCannotBeReducedIsRefusedBeforeAnybodyWaits) {
  run([&](Communicator& comm) {
    const at::Tensor square = at::zeros({3, 3}, on(comm, at::kFloat));
    expect_fault(Fault::internal, [&] { comm.all_reduce(square.t(), Reduce::sum); });
    expect_fault(Fault::internal, [&] { comm.broadcast(square.t(), 0); });
    expect_fault(Fault::internal, [&] { comm.all_reduce(square.to(at::kHalf), Reduce::sum); });
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
