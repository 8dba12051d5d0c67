// T episodes framed as cloze questions, and their losses at given fast weights: what metaprompting
// hands to a meta-gradient rule. Built once per pack; a pure function of phi.
// Legend: T tasks, S support and Q query rows of a task, R = T * S or T * Q, N ways, P soft tokens,
// U vocabulary rows in use, D width.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "methods/meta_rule.h"
#include "methods/template.h"
#include "methods/verbaliser.h"
#include "models/pretrained.h"

namespace metaloom {

/// The soft prompt in theta, [P, D], and the prefix of trained weights of the backbone.
inline constexpr const char* kSoftPrompt = "prompt.soft";
inline constexpr const char* kModelPrefix = "model.";

class ClozePack {
 public:
  /// `frozen` holds every weight of the backbone; those that phi carries are not read from it.
  /// The backbone outlives the pack. Support or query may be empty where it is not asked for.
  ClozePack(const Backbone& backbone, Params frozen, const Template& frame,
            const std::vector<Task>& pack);

  /// theta as every task's own fast weights [T, ...]. Of a trained word table (and the decoder's
  /// bias) only the rows of words that occur in the pack are taken: SGD leaves the others alone,
  /// their gradient is exactly zero.
  Params fast_weights(const Params& theta) const;
  /// What fast_weights left out, put back: values [T, ...] of theta's names, summed over the tasks
  /// in `keep_T` (int64), other rows zero. Gives theta's shapes.
  Params summed(const Params& values_T, const at::Tensor& keep_T, const Params& theta) const;
  /// theta with the first task's fast weights in it.
  Params adapted(const Params& phi_T, const Params& theta) const;

  at::Tensor support_losses_T(const Params& phi_T, Attention attention) const;
  at::Tensor query_logits_RN(const Params& phi_T) const;
  at::Tensor query_losses_T(const at::Tensor& logits_RN) const;
  /// Of the query rows: the share whose highest logit is the right one, fp64 [T].
  at::Tensor query_accuracy_T(const at::Tensor& logits_RN) const;
  /// Tokens of the support and of the query rows of a task, frame counted.
  std::int64_t support_tokens(std::int64_t task) const;
  std::int64_t query_tokens(std::int64_t task) const;
  const Batch& support() const { return support_.batch; }

 private:
  struct Side {
    Batch batch;
    at::Tensor label_R;
  };
  Side framed(const Template& frame, const std::vector<Task>& pack,
              std::vector<Example> Task::*rows) const;
  std::int64_t tokens(const Side& side, std::int64_t task) const;
  at::Tensor logits_RN(const Params& phi_T, const Batch& batch, Attention attention) const;
  at::Tensor losses_T(const at::Tensor& logits_RN, const at::Tensor& label_R) const;

  const Backbone& backbone_;
  Params frozen_;
  std::int64_t tasks_;
  at::Device device_;
  Side support_, query_;
  Verbaliser verbaliser_;
  at::Tensor used_U_, place_V_;  // vocabulary rows in use; where a row stands among them
};

}  // namespace metaloom
