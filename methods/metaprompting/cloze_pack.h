// T episodes framed as cloze questions, and their losses at given fast weights: what metaprompting
// hands to a meta-gradient rule. Built once per pack; a pure function of phi.
// Legend: T tasks, S support and Q query rows of a task, R = T * S or T * Q, N ways.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <vector>

#include "methods/cloze/template.h"
#include "methods/cloze/verbaliser.h"
#include "methods/meta/inner_rates.h"
#include "methods/meta/meta_rule.h"
#include "methods/meta/scopes/scope.h"

namespace metaloom {

/// Rows of those lengths, in their order, as passes of at most `bytes` each (one row at least):
/// how many rows each takes. `bytes_of(rows, length)`: what so many rows padded to `length` need.
std::vector<std::int64_t> passes_within(
    double bytes, const std::vector<std::int64_t>& lengths,
    const std::function<double(std::int64_t rows, std::int64_t length)>& bytes_of);

class ClozePack {
 public:
  /// `frozen` holds every weight of the backbone; what phi changes of them, the scope says.
  /// Model and scope outlive the pack. Support or query may be empty where it is not asked for.
  /// `parts`: the support rows of a single task are taken in passes of so many rows each; empty:
  /// in one.
  ClozePack(const Pretrained& pretrained, const Scope& scope, Params frozen, const Template& frame,
            const std::vector<Task>& pack, const ClassPieces& pieces,
            const std::vector<std::int64_t>& parts = {});

  /// theta as every task's own fast weights [T, ...].
  Params fast_weights(const Params& theta) const;
  /// The inner rates of theta, `constants` where none is learned.
  InnerRates rates(const Params& theta, Params constants) const;
  /// A meta-gradient in the shapes of theta, summed over the tasks in `keep_T` (int64).
  Params summed(const MetaGradient& meta, const at::Tensor& keep_T, const Params& theta) const;
  /// theta with the first task's fast weights in it.
  Params adapted(const Params& phi_T, const Params& theta) const;

  /// The passes over the support rows; the mean loss over all rows is the sum of theirs.
  std::size_t parts() const { return support_.size(); }
  at::Tensor support_losses_T(const Params& phi_T, Attention attention, std::size_t part) const;
  at::Tensor query_logits_RN(const Params& phi_T) const;
  at::Tensor query_losses_T(const at::Tensor& logits_RN) const;
  /// Of the query rows: the share whose highest logit is the right one, fp64 [T].
  at::Tensor query_accuracy_T(const at::Tensor& logits_RN) const;
  /// Tokens of the support and of the query rows of a task, frame counted.
  std::int64_t support_tokens(std::int64_t task) const;
  std::int64_t query_tokens(std::int64_t task) const;
  const Batch& support(std::size_t part) const { return support_[part].batch; }

 private:
  struct Side {
    Batch batch;
    at::Tensor label_R;
  };
  Side framed(const Template& frame, const std::vector<Task>& pack,
              std::vector<Example> Task::*rows) const;
  void frame_support(const Template& frame, const std::vector<Task>& pack,
                     const std::vector<std::int64_t>& parts);
  std::int64_t tokens(const Side& side, std::int64_t task) const;
  at::Tensor logits_RN(const Params& phi_T, const Batch& batch, Attention attention) const;
  at::Tensor losses_T(const at::Tensor& logits_RN, const at::Tensor& label_R) const;

  const Pretrained& pretrained_;
  const Scope& scope_;
  Params frozen_;
  std::int64_t tasks_;
  std::vector<Side> support_;  // at least one
  Side query_;
  Verbaliser verbaliser_;
  std::optional<VocabularyRows> rows_;  // of the words that occur in the pack
};

}  // namespace metaloom
