// What becomes of a world of threads when one of them fails or falls silent: the others never wait
// for ever, and the first error is the one that is reported.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "comm/communicator.h"
#include "core/error.h"

namespace metaloom {
namespace {

using testing::HasSubstr;
using testing::Not;

class LocalFaults : public testing::TestWithParam<int> {};

// Runs the world and gives the error it ended with.
Error error_of(int size, double deadline, const std::function<void(Communicator&)>& rank_main) {
  CommOptions options;
  options.deadline = deadline;
  try {
    run_local_world(size, options, rank_main);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "the world ended without an error";
  return {Fault::internal, "none"};
}

TEST_P(LocalFaults, AThrownRankEndsAllAndItsErrorIsTheOneReported) {
  std::atomic<int> ended = 0;
  const int size = GetParam();
  const Error error = error_of(size, 60, [&](Communicator& comm) {
    if (comm.rank() == size - 1) throw Error(Fault::data, "row 7 is broken", "sets/trec.h5");
    try {
      at::Tensor data = at::ones({3});
      comm.all_reduce(data, Reduce::sum)->wait();
    } catch (const Error& theirs) {
      EXPECT_EQ(theirs.fault(), Fault::data);
      EXPECT_THAT(theirs.what(), HasSubstr("rank " + std::to_string(size - 1) + " failed"));
      ++ended;
      throw;
    }
  });
  EXPECT_EQ(error.fault(), Fault::data);
  EXPECT_STREQ(error.what(), "sets/trec.h5: row 7 is broken");
  EXPECT_EQ(ended, size - 1);
}

TEST_P(LocalFaults, ASilentRankIsATimeoutThatNamesItAndItsSection) {
  const int size = GetParam(), silent = size / 2;
  std::atomic<bool> noticed = false;
  const Error error = error_of(size, 0.5, [&](Communicator& comm) {
    if (comm.rank() == silent) {
      const Section section(comm, "forward pass", std::chrono::hours(1));
      while (!noticed) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      comm.barrier();  // the poisoned world lets nobody in
      ADD_FAILURE() << "passed a barrier of a failed world";
    }
    const Section section(comm, "reduce");
    try {
      at::Tensor data = at::ones({3});
      comm.all_reduce(data, Reduce::sum)->wait();
    } catch (const Error&) {
      noticed = true;
      throw;
    }
  });
  EXPECT_EQ(error.fault(), Fault::hang);
  EXPECT_THAT(error.what(), HasSubstr("rank " + std::to_string(silent) +
                                      " was last in section \"forward pass\""));
  EXPECT_THAT(error.what(), HasSubstr("in section \"reduce\" for all_reduce"));
}

TEST_P(LocalFaults, ARankThatReturnsEarlyIsNotWaitedFor) {
  const Error error = error_of(GetParam(), 3600, [](Communicator& comm) {
    if (comm.rank() == 1) return;
    comm.vote({1});
  });
  EXPECT_EQ(error.fault(), Fault::hang);
  EXPECT_THAT(error.what(), HasSubstr("rank 1 has left the world"));
}

TEST_P(LocalFaults, DifferentOperationsAreToldApart) {
  const Error error = error_of(GetParam(), 60, [](Communicator& comm) {
    if (comm.rank() == 0) comm.barrier();
    at::Tensor data = at::ones({comm.rank() + 1});
    comm.all_reduce(data, Reduce::sum)->wait();
  });
  EXPECT_EQ(error.fault(), Fault::internal);
}

TEST_P(LocalFaults, AnErrorReachesRanksWithOperationsUnderWay) {
  const Error error = error_of(GetParam(), 60, [](Communicator& comm) {
    at::Tensor a = at::ones({5}), b = at::ones({6});
    auto first = comm.all_reduce(a, Reduce::sum);
    if (comm.rank() == 0) throw Error(Fault::non_finite, "too many");
    auto second = comm.all_reduce(b, Reduce::sum);  // destroyed without a wait
    first->wait();
    second->wait();
  });
  EXPECT_EQ(error.fault(), Fault::non_finite);
  EXPECT_STREQ(error.what(), "too many");
}

TEST_P(LocalFaults, AbortEndsAllWithItsExitCode) {
  const Error error = error_of(GetParam(), 60, [](Communicator& comm) {
    if (comm.rank() == 1) comm.abort(static_cast<int>(Fault::temporary), "the disk is full");
    comm.barrier();
  });
  EXPECT_EQ(error.exit_code(), 75);
  EXPECT_STREQ(error.what(), "the disk is full");
}

TEST_P(LocalFaults, ForeignExceptionsEndAllToo) {
  EXPECT_THROW(run_local_world(GetParam(), {},
                               [](Communicator& comm) {
                                 if (comm.rank() == 1) throw std::out_of_range("not ours");
                                 comm.barrier();
                               }),
               std::out_of_range);
}

INSTANTIATE_TEST_SUITE_P(Sizes, LocalFaults, testing::Values(2, 3, 4, 7));

TEST(LocalWorlds, AreIndependentOfOneAnother) {
  const auto sum_to = [](int size) {
    run_local_world(size, {}, [size](Communicator& comm) {
      at::Tensor one = at::ones({1});
      comm.all_reduce(one, Reduce::sum)->wait();
      EXPECT_EQ(one.item<float>(), size);
    });
  };
  std::thread other([&] { sum_to(3); });
  sum_to(4);
  other.join();
}

}  // namespace
}  // namespace metaloom
