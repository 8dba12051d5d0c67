// One stage, wired: the objects that a StageConfig describes, in the order of their making. Verbs
// take from it what they need. Objects refer to earlier ones, so an Assembly does not move.
#pragma once

#include <memory>
#include <optional>

#include "launcher/config/run_config.h"
#include "methods/method.h"
#include "models/pretrained.h"
#include "sampler/mix/mix.h"
#include "worker/optimizer/flat_params.h"
#include "worker/run_state.h"

namespace metaloom {

class Assembly {
 public:
  /// Reads the model (from init, if given) onto `device`, opens the data, builds the method. Where
  /// tasks are brought, by verbs that have their own, only model and method are there.
  /// A `model` that is given is taken instead of reading one.
  explicit Assembly(const StageConfig& config, at::Device device = at::kCPU,
                    std::optional<Pretrained> model = std::nullopt);
  Assembly(const StageConfig& config, std::vector<const DatasetInfo*> brought,
           at::Device device = at::kCPU);
  Assembly(const Assembly&) = delete;

  const StageConfig config;
  const Rng rng;
  std::optional<Checkpoint> init;  // what the stage starts from
  Pretrained pretrained;
  std::unique_ptr<Mix> mix;  // null where tasks are brought
  std::unique_ptr<Method> method;
  std::unique_ptr<FlatParams> theta;
  std::vector<std::string> adopted;  // names taken from init

  /// From here on matrices are multiplied, and frozen weights held, as the configuration says.
  /// What is saved of the model must have been taken from `pretrained` before: its exact weights
  /// are gone. check_precision comes first.
  void lower_precision();
  /// The same for who goes on from a trained stage, perhaps on another machine: where bf16 does
  /// not pay, it says so and stays in fp32.
  void lower_precision_if_it_pays();
  StepContext context(std::int64_t step) const;
  /// The stage as it will be recorded: every key, defaults included.
  Table resolved() const;

 private:
  void build(std::vector<const DatasetInfo*> datasets);
};

/// Throws Error{usage} where products of bf16 are asked for that would be slower on this device, or
/// cannot be.
void check_precision(const ModelOptions& options, at::Device device);

/// The model that `stage` of `stages` would start from while the earlier stage that it names has
/// not run: the right parameters, untrained. Nothing where it starts from a file.
std::optional<Pretrained> model_planned(const std::vector<StageConfig>& stages,
                                        const StageConfig& stage);

}  // namespace metaloom
