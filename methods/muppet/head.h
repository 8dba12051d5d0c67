// Seam: what MUPPET asks of a row's states, and what the answers cost. A head is registered under
// the name of the family whose tasks it reads. It says whether each of its datasets has parameters
// of its own or all share them: by the prefix of their names.
// Laws (tests/methods/head_laws_test.cpp): equal scores of all outcomes cost log n; every parameter
// is named after its head, every matrix gets a gradient; padding and the order of rows change
// nothing; measures of parts together are those of the whole.
// Legend: Q query rows, R rows of the model (several a query row where there are candidates),
// L positions, D width.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/params.h"
#include "core/rng.h"
#include "methods/cloze/template.h"
#include "methods/measure.h"
#include "models/pretrained.h"

namespace metaloom {

/// What heads are made of; all of it outlives them.
struct HeadIngredients {
  const Pretrained& pretrained;
  const Template& frame;
  Rng rng{0};          // a parameter begins with what its name draws from it
  double dropout = 0;  // share of a head's inputs that is dropped in training
};

/// What a head reads of the encoder: one state for each row [R, D], or all positions' [R, L, D].
enum class Reads { rows, positions };

/// A task's query rows and what the model reads of them.
struct FramedTask {
  const Task& task;
  Batch batch;
};

/// What the encoder leaves of it.
struct Encoded {
  const FramedTask& rows;
  const Weights& weights;        // the model's and the heads', for layers of the head's own
  at::Tensor states;             // [R, D] or [R, L, D]
  const Rng* dropout = nullptr;  // the task's stream; none in evaluation
};

class Head {
 public:
  static constexpr const char* kSeam = "head";
  using Factory = std::function<std::unique_ptr<Head>(const HeadIngredients& in)>;

  virtual ~Head() = default;
  /// What its parameters' names begin with in theta, without the dot that follows; equal for
  /// datasets that share them.
  virtual std::string prefix(const DatasetInfo& dataset) const = 0;
  virtual Params initial(const DatasetInfo& dataset) const = 0;
  virtual Batch frame(const std::vector<const Example*>& rows) const = 0;
  virtual Reads reads() const { return Reads::rows; }
  /// What is said of the query rows, with its graph: scores as `losses_Q` and `measures` take them.
  virtual at::Tensor answers(const Encoded& encoded) const = 0;
  /// The loss of each query row, in nats [Q]. Throws Error{data} where a row has no target.
  virtual at::Tensor losses_Q(const at::Tensor& answers, const FramedTask& rows) const = 0;
  /// The number n of a row's outcomes, by whose logarithm its loss is divided, for each query row;
  /// none where the loss is not one over outcomes.
  virtual std::vector<double> outcomes_Q(const FramedTask& rows) const = 0;
  /// What is reported of the answers, the measure that counts first; kLoss is among them.
  virtual std::vector<Measure> measures(const at::Tensor& answers,
                                        const FramedTask& rows) const = 0;
  /// Whether answers are log-probabilities [Q, N] over classes or candidates.
  virtual bool classifies() const { return false; }
};

}  // namespace metaloom
