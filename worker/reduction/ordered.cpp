#include <ATen/ATen.h>

#include "core/registry.h"
#include "worker/reduction/gradient_reduction.h"

namespace metaloom {
namespace {

/// Packs are kept apart and summed in the order of their index: the same sum, bit for bit, at any
/// number of ranks. A rank holds a buffer for each of its packs, and nothing travels before all of
/// them are there.
class Ordered final : public GradientReduction {
 public:
  Ordered(Communicator& comm, const FlatParams& theta)
      : GradientReduction(comm, theta), sum_(at::zeros_like(theta.flat())) {}

  at::Tensor sum() override { return sum_; }

 private:
  void begin(std::int64_t, std::int64_t packs) override {
    packs_ = packs;
    indices_.clear();
    sum_.zero_();
  }
  at::Tensor start_pack(std::int64_t index) override {
    indices_.push_back(index);
    if (buffers_.size() < indices_.size()) buffers_.push_back(at::empty_like(sum_));
    return buffers_[indices_.size() - 1].zero_();
  }
  void start() override {}
  void wait() override {
    for (const Span& span : spans()) {
      std::vector<std::pair<std::int64_t, at::Tensor>> mine;
      for (std::size_t i = 0; i < indices_.size(); ++i) {
        mine.emplace_back(indices_[i], span.of(buffers_[i]));
      }
      comm().ordered_sum(span.of(sum_), mine, packs_);
    }
  }

  at::Tensor sum_;
  std::int64_t packs_ = 0;             // of all ranks
  std::vector<std::int64_t> indices_;  // of this rank's packs in the present update
  std::vector<at::Tensor> buffers_;    // as many as an update has ever had here
};

const Register<GradientReduction> here{"ordered", "in the order of packs, equal on any ranks",
                                       [](Communicator& comm, const FlatParams& theta) {
                                         return std::make_unique<Ordered>(comm, theta);
                                       }};

}  // namespace
}  // namespace metaloom
