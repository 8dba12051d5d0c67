// Seam: a training method as pure functions of its parameters theta and a pack of tasks.
// Methods never see the communicator: they do not know that they are distributed. They hold no
// state: everything that changes is in theta (untrained entries of theta are state by name).
// Laws (tests/methods/method_laws_test.cpp): gradient names equal parameter names of the phase;
// finite; equal to finite differences where exactness is claimed; evaluation leaves theta alone;
// a pack of T tasks equals T packs of one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "core/cost.h"
#include "core/params.h"
#include "core/rng.h"
#include "methods/ingredients.h"
#include "methods/measure.h"
#include "methods/theta.h"
#include "models/backbone.h"
#include "sampler/task.h"

namespace metaloom {

/// What an update is: which tasks it draws and which groups it trains.
struct Phase {
  std::string name;
  Half half = Half::all;
  std::vector<std::string> groups;
  /// The stretch of the run that the learning rate's schedule spans: from update `first` (0-based)
  /// on, `updates` long; 0: the whole run. A method of several stages gives each its own.
  std::int64_t first = 0, updates = 0;
  /// How many earlier updates drew from the same half: which of that half's tasks are its own.
  std::int64_t draw = 0;
};

/// Where a method delivers outer gradients, one tensor at a time and as early as it can. Sums over
/// the pack's finite tasks, each already multiplied by its weight.
class GradientSink {
 public:
  virtual ~GradientSink() = default;
  /// Adds to the sum of `name`: a gradient of its shape, dense or sparse by rows.
  virtual void add(const std::string& name, const at::Tensor& gradient) = 0;
  /// The sum of `name` over the pack is complete: nothing more is added to it. Said once of every
  /// name that was added, so that it can be reduced while the rest is still computed.
  virtual void complete(const std::string&) {}
  /// Adds and completes what a method has whole sums of.
  void deliver(const Params& sums);
};

/// What became of one task of a pack.
struct TaskOutcome {
  TaskId task;
  double weight = 1;   // its share of the divisor
  double loss = 0;     // as optimised
  bool finite = true;  // false: left out of the sum and of the divisor
  std::int64_t tokens = 0;
  std::vector<Metric> metrics;  // "accuracy", ...: the one that counts first
};

/// The update a pack belongs to, or the update after which something is evaluated. `rng` is keyed
/// by the step; key it further by task and site.
struct StepContext {
  std::int64_t step = 0, steps = 0;
  Rng rng{0};
  /// The stream of one task: the same whichever rank or pack the task falls to.
  Rng of(const TaskId& task) const;
};

/// Tells the classes of a task's rows apart.
class Classifier {
 public:
  virtual ~Classifier() = default;
  /// Log-probabilities [Q, N] of the task's query rows over its classes (multiple choice: over
  /// the candidates, padded with -inf). theta is what `Method::adapt` gave. `context.step` tells a
  /// method with phases which of its nets to ask.
  virtual at::Tensor scores(const Params& theta, const Task& task,
                            const StepContext& context) const = 0;
};

class Method {
 public:
  static constexpr const char* kSeam = "method";
  /// `section` is the `[method]` table; unknown keys are refused.
  using Factory =
      std::function<std::unique_ptr<Method>(const Table& section, const Ingredients& ingredients)>;

  virtual ~Method() = default;
  /// The method's options, for the resolved configuration and for --help.
  virtual void fields(Fields& f) = 0;
  /// theta at step 0. Names "model.<name>" stand for trained weights of the backbone and override
  /// the pre-trained ones. A pure function of the ingredients.
  virtual Params initial() const = 0;
  virtual std::vector<ParameterGroup> groups(const Params& theta) const = 0;
  virtual Phase phase(std::int64_t step) const = 0;

  /// The outer gradients of a pack, summed over its finite tasks, into `sink`.
  virtual std::vector<TaskOutcome> gradients(const Params& theta, const std::vector<Task>& pack,
                                             const StepContext& context,
                                             GradientSink& sink) const = 0;

  /// Whether `adapt` does anything.
  virtual bool adapts() const { return false; }
  /// theta adapted to the task's support set (theta itself where the method does not adapt).
  virtual Params adapt(const Params& theta, const Task& task, const StepContext& context) const;
  /// What tells the rows of the dataset's tasks apart; null where the method does not. It lives as
  /// long as the method.
  virtual const Classifier* classifier(const DatasetInfo&) const { return nullptr; }
  /// What evaluation reports of one task, the measure that counts first; the same measures for all
  /// tasks of a dataset, kLoss among them. The default adapts, and measures the
  /// classifier's scores of the query rows.
  virtual std::vector<Measure> evaluate(const Params& theta, const Task& task,
                                        const StepContext& context) const;

  /// Named series of numbers worth watching (the gates of a search, ...), written to metrics.
  virtual std::map<std::string, std::vector<double>> watch(const Params& theta) const;
  /// Frozen backbone weights with theta's "model.*" laid over them: what a checkpoint carries on.
  virtual Params model(const Params& theta) const = 0;
  /// One pack's cost at these task shapes.
  virtual Cost cost(const std::vector<TaskShape>& pack) const = 0;
  /// The rows the model really sees for a task, for `metaloom show`.
  virtual Batch batch(const std::vector<Task>& pack, bool support) const = 0;
};

/// What a method's section may hold, known without building one: of several stages, a key typed on
/// the command line is meant for those whose method has it. Registered beside the method.
struct MethodOptions {
  static constexpr const char* kSeam = "method";
  using Factory = std::function<Table()>;  // every key with its default
};
template <class Options>
Table defaults_of() {
  Options options;
  return write_fields(options);
}

}  // namespace metaloom
