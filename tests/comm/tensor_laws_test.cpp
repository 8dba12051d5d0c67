// The laws of every communicator for tensors: sums, parts of sums, copies, sums in a given order.
#include <ATen/ATen.h>

#include <array>

#include "core/digest.h"
#include "core/rng.h"
#include "tests/comm/communicator_laws.h"

namespace metaloom {
namespace {

constexpr std::array kReduced{at::kFloat, at::kDouble, at::kLong, at::kBFloat16};

TEST_P(CommunicatorLaws, SumMinAndMaxOfEveryType) {
  run([&](Communicator& comm) {
    const int n = comm.size();
    for (const at::ScalarType type : kReduced) {
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

TEST_P(CommunicatorLaws, ASumInBFloat16IsRoundedOnceARankAtMost) {
  run([&](Communicator& comm) {
    const auto of_rank = [&](int rank) {
      return Rng(8).at({rank}).normal_tensor({4099}, 1.0, at::kFloat).to(at::kBFloat16);
    };
    at::Tensor exact = at::zeros({4099}, at::kDouble), sizes = exact.clone();
    for (int rank = 0; rank < comm.size(); ++rank) {
      exact += of_rank(rank).to(at::kDouble);
      sizes += of_rank(rank).to(at::kDouble).abs();
    }
    at::Tensor data = of_rank(comm.rank()).to(on(comm, at::kBFloat16));
    comm.all_reduce(data, Reduce::sum)->wait();
    const at::Tensor off = (data.cpu().to(at::kDouble) - exact).abs();
    EXPECT_TRUE(off.le(sizes * (comm.size() * 0x1p-9)).all().item<bool>());
  });
}

TEST_P(CommunicatorLaws, WhatIsScatteredAndGatheredIsReduced) {
  run([&](Communicator& comm) {
    const int n = comm.size();
    for (const at::ScalarType type : kReduced) {
      for (const Reduce how : {Reduce::sum, Reduce::min, Reduce::max}) {
        at::Tensor data = at::arange(3 * n, on(comm, type)).view({n, 3}) + comm.rank();
        at::Tensor whole = data.clone();
        comm.all_reduce(whole, how)->wait();
        comm.reduce_scatter(data, how)->wait();
        EXPECT_TRUE(at::equal(comm.part(data), comm.part(whole)));
        // Whatever stands in the parts of others, they bring it.
        const at::Tensor mine = comm.part(data).clone();
        data.fill_(-1);
        comm.part(data).copy_(mine);
        comm.all_gather(data)->wait();
        EXPECT_TRUE(at::equal(data, whole));
      }
    }
    at::Tensor empty = at::empty({0}, on(comm, at::kFloat));
    comm.reduce_scatter(empty, Reduce::sum)->wait();
    comm.all_gather(empty)->wait();
  });
}

TEST_P(CommunicatorLaws, GathersTensorsOfAnyType) {
  run([&](Communicator& comm) {
    for (const at::ScalarType type : {at::kHalf, at::kByte, at::kBool, at::kBFloat16}) {
      at::Tensor data = at::zeros({comm.size(), 5}, on(comm, type));
      data[comm.rank()].fill_(comm.rank() % 2 + 1);
      comm.all_gather(data)->wait();
      for (int i = 0; i < comm.size(); ++i) {
        EXPECT_TRUE(at::equal(data[i], at::full({5}, i % 2 + 1, on(comm, type))));
      }
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

TEST_P(CommunicatorLaws, LargeTensors) {
  run([&](Communicator& comm) {
    const std::int64_t count = std::int64_t{1} << 23;
    at::Tensor data = at::arange(count, on(comm, at::kFloat)) + comm.rank();
    comm.all_reduce(data, Reduce::min)->wait();
    EXPECT_TRUE(at::equal(data, at::arange(count, on(comm, at::kFloat))));
    if (comm.rank() != comm.size() - 1) data.zero_();
    comm.broadcast(data, comm.size() - 1);
    EXPECT_TRUE(at::equal(data, at::arange(count, on(comm, at::kFloat))));
    at::Tensor parts = at::arange(count / 8 * comm.size(), on(comm, at::kFloat));
    const at::Tensor expected = parts + (comm.size() - 1);
    parts += comm.rank();
    comm.reduce_scatter(parts, Reduce::max)->wait();
    EXPECT_TRUE(at::equal(comm.part(parts), comm.part(expected)));
    comm.all_gather(parts)->wait();
    EXPECT_TRUE(at::equal(parts, expected));
  });
}

}  // namespace
}  // namespace metaloom
