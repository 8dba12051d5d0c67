// A reduction that shares theta out, as ZeRO-1 does: each rank has the sum of its own stretch,
// steps it, keeps the optimizer's state for it alone, and gathers the parameters after the step and
// the state for a checkpoint. In one file and in terms of the seam alone: the proof that the seam
// carries one. It runs through the laws of reductions and resumes in the loop's test.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/worker/reduction_worlds.h"

namespace metaloom {
namespace {

class Sharded final : public GradientReduction {
 public:
  Sharded(Communicator& comm, const FlatParams& theta)
      : GradientReduction(comm, theta),
        all_{0, theta.flat().numel()},
        each_((all_.length + comm.size() - 1) / comm.size()),
        padded_(at::zeros({each_ * comm.size()}, theta.flat().options())),
        gathered_(at::zeros_like(padded_)) {}

  at::Tensor sum() override { return comm().part(padded_).narrow(0, 0, shard().span.length); }
  double norm() override {
    const at::Tensor squares = sum_of_squares(sum());
    comm().all_reduce(squares, Reduce::sum)->wait();
    return squares.sqrt().item<double>();
  }
  Shard shard() override {
    const Span mine = Span{each_ * comm().rank(), each_}.within(all_);
    return {mine, [this, mine](const at::Tensor& buffer) {
              Span{0, mine.length}.of(comm().part(gathered_)).copy_(mine.of(buffer));
              comm().all_gather(gathered_)->wait();
              at::Tensor(buffer).copy_(all_.of(gathered_));
            }};
  }

 private:
  void begin(std::int64_t, std::int64_t) override { padded_.zero_(); }
  at::Tensor start_pack(std::int64_t) override { return all_.of(padded_); }
  void start() override { under_way_ = comm().reduce_scatter(padded_, Reduce::sum); }
  void wait() override { under_way_->wait(); }

  Span all_;
  std::int64_t each_;  // numbers of a rank, the last one's padded
  at::Tensor padded_, gathered_;
  std::unique_ptr<Pending> under_way_;
};

const Register<GradientReduction> here{"sharded", "of tests: each rank steps its own stretch",
                                       [](Communicator& comm, const FlatParams& theta) {
                                         return std::make_unique<Sharded>(comm, theta);
                                       }};

TEST(ShardedReduction, ARankHoldsItsOwnShareOfTheOptimizersState) {
  run_local_world(4, {}, [&](Communicator& comm) {
    FlatParams theta = two_groups();  // 26 numbers
    Sharded reduction(comm, theta);
    EXPECT_EQ(reduction.shard().span.length, comm.rank() < 3 ? 7 : 5);
    Optimizer optimizer({.rate = 0.1}, theta, reduction.shard());
    reduce(reduction, comm, kBoth, 0);
    // What it is given is as long as its share: more is not there to be stepped.
    EXPECT_EQ(reduction.sum().numel(), reduction.shard().span.length);
    optimizer.step(reduction.sum(), kBoth, 0, 1);
    // The others' shares are here: what has a gradient has moved.
    EXPECT_TRUE(at::equal(theta.flat().ne(0), plain_sum(kBoth, 0).ne(0)));
  });
}

}  // namespace
}  // namespace metaloom
