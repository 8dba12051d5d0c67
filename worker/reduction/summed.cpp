#include <ATen/ATen.h>

#include "core/registry.h"
#include "worker/reduction/gradient_reduction.h"

namespace metaloom {
namespace {

/// Packs are summed where they are computed, then all ranks' sums are. A rank holds one buffer,
/// whatever the number of packs.
class Summed final : public GradientReduction {
 public:
  Summed(Communicator& comm, const FlatParams& theta)
      : GradientReduction(comm, theta), sum_(at::zeros_like(theta.flat())) {}

  at::Tensor sum() override { return sum_; }

 private:
  void begin(std::int64_t, std::int64_t) override { sum_.zero_(); }
  at::Tensor start_pack(std::int64_t) override { return sum_; }
  void start() override {
    for (const Span& span : spans()) {
      under_way_.push_back(comm().all_reduce(span.of(sum_), Reduce::sum));
    }
  }
  void wait() override {
    for (const auto& operation : under_way_) operation->wait();
    under_way_.clear();
  }

  at::Tensor sum_;
  std::vector<std::unique_ptr<Pending>> under_way_;
};

const Register<GradientReduction> here{"summed", "sums where computed, then over the ranks",
                                       [](Communicator& comm, const FlatParams& theta) {
                                         return std::make_unique<Summed>(comm, theta);
                                       }};

}  // namespace
}  // namespace metaloom
