// Seam: what an inner loop adapts and the outer one learns: the values it begins with, which
// entries of theta are fast weights and how a forward pass reads them, the groups the optimizer
// treats alike, what is summed back over the tasks of a pack, and the model that comes out of it.
// Laws (tests/methods/scope_laws_test.cpp). Legend: T tasks, P soft tokens, D width.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/fields.h"
#include "core/params.h"
#include "methods/cloze/soft_prompt.h"
#include "methods/meta/scopes/vocabulary_rows.h"
#include "methods/theta.h"
#include "models/pretrained.h"

namespace metaloom {

/// What a scope is made from beside its own keys; the model outlives it.
struct ScopeIngredients {
  const Pretrained& pretrained;
  SoftPrompt soft;
  Rng rng{0};
  double model_inner_rate = 1e-3;  // inner learning rate of the model's weights, where constant
  double model_rate_scale = 1;     // their outer rate, in units of the prompt's
};

/// What a forward pass of T tasks' rows reads.
struct Reading {
  std::unique_ptr<Weights> weights;
  at::Tensor soft_TPD = {};                         // values of the soft tokens; undefined: none
  std::unique_ptr<LayerPrompts> prompts = nullptr;  // at the input of layers
  /// The model's options with these prompts in them; the reading outlives them.
  ForwardOptions options(const Pretrained& model) const;
};

class Scope {
 public:
  static constexpr const char* kSeam = "scope";
  /// `section` is the `[method]` table, of which it reads its own keys and leaves the others alone.
  using Factory = std::function<std::unique_ptr<Scope>(const Table& section,
                                                       const ScopeIngredients& ingredients)>;

  explicit Scope(const Pretrained& pretrained) : pretrained_(pretrained) {}
  virtual ~Scope() = default;
  /// Its own keys of the section.
  virtual void fields(Fields&) {}

  /// Its entries of theta at step 0; all of them are fast weights.
  virtual Params initial() const = 0;
  /// Whether an entry of theta is one of them.
  virtual bool is_fast(std::string_view name) const = 0;
  /// Every fast weight of theta in one group.
  virtual std::vector<ParameterGroup> groups(const Params& theta) const = 0;
  /// Constant inner rates of all fast weights (constant_rate), where the prompt's is `rate`.
  virtual Params inner_rates(double rate) const = 0;
  /// Forward passes' worth of one gradient by the fast weights: 2 where they are few beside a
  /// frozen model (activations only), 3 where they are the model.
  virtual double gradient_work() const = 0;
  /// What is read at fast weights phi_T [T, ...] as `fast` made them, all else being `frozen`: the
  /// backbone's weights, of its own names.
  virtual Reading reading(const Params& frozen, const Params& phi_T, std::int64_t tasks,
                          const VocabularyRows& rows) const = 0;
  /// The backbone's weights that theta stands for: what a checkpoint carries on.
  virtual Params model(const Params& theta) const { return overlaid(pretrained_.weights, theta); }

  /// The vocabulary rows that fast weights of a pack which reads these ids have.
  VocabularyRows rows(const std::vector<at::Tensor>& ids) const;
  /// theta's fast weights as every task's own, [T, ...].
  Params fast(const Params& theta, std::int64_t tasks, const VocabularyRows& rows) const;
  /// Gradients [T, ...] by them, summed over the tasks in `keep_T` (int64): theta's shapes.
  Params summed(const Params& gradient_T, const at::Tensor& keep_T, const Params& theta,
                const VocabularyRows& rows) const;
  /// theta with the first task's fast weights in it.
  Params adapted(const Params& phi_T, const Params& theta, const VocabularyRows& rows) const;

 protected:
  const Pretrained& pretrained_;
};

/// The own keys of a scope with their defaults, known without building one. Registered beside a
/// scope that has some.
struct ScopeOptions {
  static constexpr const char* kSeam = "scope";
  using Factory = std::function<Table()>;
};

/// Those of the scope called `name`; empty where it has none.
Table keys_of_scope(const std::string& name);

/// `value` [...] for every task, [T, ...]: a view.
at::Tensor for_each_task(const at::Tensor& value, std::int64_t tasks);

}  // namespace metaloom
