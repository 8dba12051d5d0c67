// Seam: how one update's outer gradients become one sum over the ranks, and which stretch of it a
// rank keeps. Made once for a stage, so that its buffers live as long as the run.
//
// An implementation is told when a parameter's sum over a pack is complete, and may reduce it then,
// while the rest is still being computed. But a task that is not finite must leave no trace in the
// sum, and that is known only with its last gradient. An implementation that
// sends gradients off before that asks, in `again`, for the whole update once more where a task was
// not finite, and sends nothing early that time. All ranks hear the same outcome, so all ask alike;
// methods are pure, so that the second pass is the update without overlap, bit for bit.
//
// Laws (tests/worker/reduction_laws_test.cpp) hold for every one at any number of ranks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "methods/method.h"
#include "sampler/mix/mix.h"
#include "worker/optimizer/flat_params.h"
#include "worker/reduction/update_outcome.h"

namespace metaloom {

class GradientReduction : public GradientSink {
 public:
  static constexpr const char* kSeam = "reduction";
  /// Both must outlive what is made.
  using Factory = std::function<std::unique_ptr<GradientReduction>(Communicator& comm,
                                                                   const FlatParams& theta)>;
  /// The gradients of one pack, into the sink: Method::gradients. Pure.
  using PackGradients =
      std::function<std::vector<TaskOutcome>(const Pack& pack, GradientSink& sink)>;

  /// One update (collective): this rank computes the packs `mine` of the `packs` that all ranks
  /// compute. Only the phase's groups are reduced. Returns what became of all ranks' tasks.
  UpdateOutcome run(const Phase& phase, const std::vector<Pack>& mine, std::int64_t packs,
                    const PackGradients& gradients);

  /// What run left: the sum over all ranks, zero outside the phase's groups, of the stretch
  /// shard().span [length]. It may be changed in place, and lives until the next update.
  virtual at::Tensor sum() = 0;
  /// The L2 norm of the whole sum (collective); not finite where an element of it is not.
  virtual double norm();
  /// What this rank steps and keeps the optimizer's state for. Refers to this object.
  virtual Shard shard() { return theta_.whole(); }

  void add(const std::string& name, const at::Tensor& gradient) final;

 protected:
  GradientReduction(Communicator& comm, const FlatParams& theta) : comm_(comm), theta_(theta) {}

  // What happens in an update, in this order.

  /// Nothing is summed yet; this rank computes `mine` packs.
  virtual void begin(std::int64_t mine, std::int64_t packs) = 0;
  /// Where the gradients of the next pack are added: a buffer laid out like theta.flat().
  virtual at::Tensor start_pack(std::int64_t index) = 0;
  // Then add and, once a name's sum over the pack is complete, GradientSink::complete.
  /// All packs of this rank are summed: reduces what is not on its way. The outcomes of the tasks
  /// travel between start and wait.
  virtual void start() = 0;
  virtual void wait() = 0;
  /// Whether the update must be computed once more (see the top of the file).
  virtual bool again(const UpdateOutcome&) { return false; }

  Communicator& comm() const { return comm_; }
  const FlatParams& theta() const { return theta_; }
  /// The stretches of theta.flat() that the present phase trains; none is empty.
  const std::vector<Span>& spans() const { return spans_; }
  /// The sum of the squares of `values` [n], as an fp64 scalar.
  static at::Tensor sum_of_squares(const at::Tensor& values);

 private:
  Communicator& comm_;
  const FlatParams& theta_;
  std::vector<Span> spans_;
  at::Tensor pack_;  // where the present pack is added
};

/// The reduction that a run's options name.
std::unique_ptr<GradientReduction> reduction_of(const CommOptions& options, Communicator& comm,
                                                const FlatParams& theta);

}  // namespace metaloom
