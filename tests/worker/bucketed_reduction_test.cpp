// A reduction that sends off what is complete while the rest is still computed, in one file and in
// terms of the seam alone: the proof that the seam carries one. It runs through the laws of
// reductions with the others; what is its own is tested here.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "tests/worker/reduction_worlds.h"

namespace metaloom {
namespace {

class Bucketed final : public GradientReduction {
 public:
  Bucketed(Communicator& comm, const FlatParams& theta)
      : GradientReduction(comm, theta), sum_(at::zeros_like(theta.flat())) {}

  at::Tensor sum() override { return sum_; }
  std::int64_t sent_early() const { return sent_early_; }

 private:
  static constexpr std::int64_t kBucket = 6;  // numbers
  struct Bucket {
    Span span;
    std::int64_t missing;  // numbers whose sums are not complete yet
  };

  void begin(std::int64_t mine, std::int64_t) override {
    sum_.zero_();
    packs_left_ = mine;
    buckets_.clear();
    for (const Span& span : spans()) {
      for (std::int64_t at = span.start; at < span.end(); at += kBucket) {
        const std::int64_t length = std::min(kBucket, span.end() - at);
        buckets_.push_back({{at, length}, length});
      }
    }
  }
  at::Tensor start_pack(std::int64_t) override {
    --packs_left_;
    return sum_;
  }
  void complete(const std::string& name) override {
    if (packs_left_ > 0 || repeats_) return;
    for (Bucket& bucket : buckets_) bucket.missing -= theta().span(name).within(bucket.span).length;
    const std::size_t before = under_way_.size();
    while (under_way_.size() < buckets_.size() && buckets_[under_way_.size()].missing == 0) send();
    sent_early_ += std::ssize(under_way_) - static_cast<std::int64_t>(before);
  }
  void start() override {
    while (under_way_.size() < buckets_.size()) send();
  }
  void wait() override {
    for (const auto& operation : under_way_) operation->wait();
    under_way_.clear();
  }
  bool again(const UpdateOutcome& outcome) override {
    repeats_ = !repeats_ && !outcome.non_finite().empty();
    return repeats_;
  }

  /// In the order of the buckets, which is the same on all ranks: whatever is complete first waits
  /// for those before it.
  void send() {
    const Span span = buckets_[under_way_.size()].span;
    under_way_.push_back(comm().all_reduce(span.of(sum_), Reduce::sum));
  }

  at::Tensor sum_;
  std::vector<Bucket> buckets_;
  std::vector<std::unique_ptr<Pending>> under_way_;
  std::int64_t packs_left_ = 0, sent_early_ = 0;
  bool repeats_ = false;  // without overlap, because a task was not finite
};

const Register<GradientReduction> here{"bucketed", "of tests: in parts, as they are complete",
                                       [](Communicator& comm, const FlatParams& theta) {
                                         return std::make_unique<Bucketed>(comm, theta);
                                       }};

TEST(BucketedReduction, SendsOffWhatIsCompleteBeforeThePackIs) {
  run_local_world(2, {}, [&](Communicator& comm) {
    const FlatParams theta = two_groups();
    Bucketed reduction(comm, theta);
    reduce(reduction, comm, kBoth, 0);
    EXPECT_GT(reduction.sent_early(), 0);
  });
}

TEST(BucketedReduction, AnUpdateWithATaskThatIsNotFiniteIsMadeOnceMoreWithoutOverlap) {
  run_local_world(3, {}, [&](Communicator& comm) {
    const FlatParams theta = two_groups();
    Bucketed reduction(comm, theta);
    constexpr std::int64_t kBad = 2;
    std::multiset<std::int64_t> computed;
    // As a method would that delivers before it knows: the first time, what is not finite is sent.
    const auto early = [&](const Pack& pack, GradientSink& sink) {
      computed.insert(pack.index);
      if (pack.index == kBad && computed.count(kBad) == 1) {
        sink.add("c", at::full({7}, std::numeric_limits<double>::quiet_NaN(), at::kDouble));
      }
      return play(kBoth, 0, pack, sink, kBad);
    };
    const UpdateOutcome outcome = reduction.run(kBoth, packs_of(comm), kPacks, early);
    EXPECT_EQ(computed.size(), 2 * packs_of(comm).size());
    EXPECT_EQ(outcome.non_finite().size(), 1u);
    EXPECT_TRUE(at::equal(reduction.sum(), plain_sum(kBoth, 0, kBad)));
    const std::int64_t sent = reduction.sent_early();
    reduce(reduction, comm, kBoth, 1);  // the next one overlaps again
    EXPECT_EQ(reduction.sent_early() > sent, !packs_of(comm).empty());
  });
}

}  // namespace
}  // namespace metaloom
