// The two nets of SPT as pure functions of theta (Zhu & Tan 2023): the hyper-network with a
// gated generator at every layer, and the final net with the found layers only. Backbone and MLM
// head are frozen in both.
// Legend: R rows, D width, N gates, C classes.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "methods/cloze/class_pieces.h"
#include "methods/spt/plan.h"
#include "methods/spt/prompts.h"

namespace metaloom {

/// Parameters of the generator at position i of the search, of the k-th found layer's, of the
/// gates.
std::string search_prefix(std::int64_t position);
std::string final_prefix(std::int64_t place);
inline constexpr const char* kGates = "gates";

/// The gates that consistency learning keeps (1) and masks (0) in an update whose stream this is.
at::Tensor gate_mask_N(const Rng& update, std::int64_t gates, double keep_probability);

class SptNet {
 public:
  /// All of them outlive the net.
  SptNet(const Pretrained& pretrained, const SptPlan& plan, const ClassPieces& pieces)
      : pretrained_(pretrained), plan_(plan), pieces_(pieces) {}

  struct Loss {
    at::Tensor total;      // what is differentiated
    at::Tensor scores_RC;  // log-probabilities, of the net without masks
    at::Tensor apart;      // L_c, undefined without consistency learning
  };
  /// Mean cross-entropy of the hyper-network plus the weighted consistency loss, in one forward
  /// pass. `update` is the stream of the update: all its tasks, on all ranks, share one mask.
  Loss search_loss(const Params& theta, const Task& task, const Batch& batch, const Rng& update,
                   PromptDropout dropout) const;
  Loss final_loss(const Params& theta, const Task& task, const Batch& batch,
                  PromptDropout dropout) const;
  /// Log-probabilities [R, C] without dropout or masks.
  at::Tensor search_scores_RC(const Params& theta, const Task& task, const Batch& batch) const;
  at::Tensor final_scores_RC(const Params& theta, const Task& task, const Batch& batch) const;

 private:
  SharedWeights frozen() const { return SharedWeights(pretrained_.weights, pretrained_.products); }
  at::Tensor gate_N(const Params& theta) const;
  at::Tensor states_RD(const Params& theta, const Batch& batch, const LayerPrompts& prompts) const;
  at::Tensor log_probabilities(const at::Tensor& states_RD, const Task& task) const;
  GeneratedPrompts hyper_network(const Params& theta, const Batch& batch, const at::Tensor& gate_RN,
                                 PromptDropout dropout) const;
  GeneratedPrompts final_net(const Params& theta, const Batch& batch, PromptDropout dropout) const;

  const Pretrained& pretrained_;
  const SptPlan& plan_;
  const ClassPieces& pieces_;
};

}  // namespace metaloom
