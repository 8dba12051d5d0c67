// Seam: the outer update rule, on slices of flat buffers, in place. Per-parameter state vectors are
// named, so that a checkpoint stores them by parameter and any later layout can read them.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/archive/archive.h"
#include "core/config/fields.h"
#include "worker/optimizer/flat_params.h"

namespace metaloom {

/// The learning rate after the warm-up.
enum class Schedule { constant, linear, cosine };
constexpr std::array<std::string_view, 3> words_of(Schedule) {
  return {"constant", "linear", "cosine"};
}

/// `[optimizer]`: the outer update.
struct OptimizerOptions {
  std::string name = "adamw";
  double rate = 1e-3;  // peak learning rate
  Schedule schedule = Schedule::linear;
  double warmup = 0.06;       // share of the updates
  double weight_decay = 0.0;  // decoupled; groups may refuse it
  double clip = 1.0;          // global L2 norm of the outer gradient; 0: off
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double momentum = 0.0;  // of sgd
  void fields(Fields& f);
};

/// The learning rate of update `step` out of `steps`: linear warm-up to options.rate, then
/// constant, linear decay to 0, or cosine decay to 0.
double learning_rate(const OptimizerOptions& options, std::int64_t step, std::int64_t steps);

/// What an update rule is told of one group of parameters.
struct GroupUpdate {
  double rate = 0, decay = 0;  // learning rate; decoupled weight decay
  double beta1 = 0;            // Adam's first moment
  std::int64_t count = 1;      // updates of these parameters, this one counted
};

class UpdateRule {
 public:
  static constexpr const char* kSeam = "optimizer";
  using Factory = std::function<std::unique_ptr<UpdateRule>(const OptimizerOptions& options)>;
  virtual ~UpdateRule() = default;
  /// Names of its state vectors, each as long as the parameters.
  virtual std::vector<std::string> state() const = 0;
  /// Updates `value` [n] in place.
  virtual void update(at::Tensor value, const at::Tensor& gradient, std::vector<at::Tensor>& state,
                      const GroupUpdate& how) const = 0;
};

/// An update rule with its state for the groups of one theta, or for this rank's shard of it.
class Optimizer {
 public:
  Optimizer(const OptimizerOptions& options, FlatParams& theta);
  Optimizer(const OptimizerOptions& options, FlatParams& theta, Shard shard);

  /// What to multiply a gradient of this L2 norm by, so that it is no longer than options.clip.
  double clip(double norm) const;
  /// One update of the phase's groups, on all ranks (collective). `gradient` is that of the shard
  /// [length of its span].
  void step(const at::Tensor& gradient, const Phase& phase, std::int64_t step, std::int64_t steps);

  /// The scheduled learning rate of update `step` in its phase.
  double rate(const Phase& phase, std::int64_t step, std::int64_t steps) const;

  /// State by parameter name, for a checkpoint: that of all shards (collective), so that any other
  /// number of ranks can go on from it, each taking its own of the whole. `load` throws Error{data}
  /// where a name is missing or has another shape.
  Archive save() const;
  void load(const Archive& archive);

 private:
  OptimizerOptions options_;
  FlatParams& theta_;
  Shard shard_;
  std::unique_ptr<UpdateRule> rule_;
  std::map<std::string, at::Tensor> state_;     // name of the vector -> of the shard [length]
  std::map<std::string, std::int64_t> counts_;  // updates made, by group
};

}  // namespace metaloom
