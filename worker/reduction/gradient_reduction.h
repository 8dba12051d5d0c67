// Collects one update's outer gradients and reduces them over the ranks. Default: packs are summed
// where they are computed, then all-reduced. Ordered: packs are kept apart and summed in the
// order of their index, so that the sum is the same bit for bit at any world size.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "methods/method.h"
#include "worker/optimizer/flat_params.h"

namespace metaloom {

class GradientReduction final : public GradientSink {
 public:
  /// Everything must outlive the reduction. Only the phase's groups are reduced.
  GradientReduction(Communicator& comm, const FlatParams& theta, const Phase& phase, bool ordered);

  /// Deliveries from here on belong to this pack.
  void start_pack(std::int64_t index);
  void add(const std::string& name, const at::Tensor& gradient) override;
  /// The sum over all ranks, as a buffer laid out like theta.flat(); zero outside the phase's
  /// groups. `packs` is how many packs the update has over all ranks.
  at::Tensor finish(std::int64_t packs);
  /// The L2 norm of that sum; not finite where an element of it is not.
  double norm() const;

 private:
  Communicator& comm_;
  const FlatParams& theta_;
  std::vector<FlatParams::Span> spans_;
  bool ordered_;
  at::Tensor sum_;
  std::vector<std::pair<std::int64_t, at::Tensor>> packs_;
};

}  // namespace metaloom
