// The layers of a model over a text, one after the other: padding hidden from attention, prompt
// rows put in before the text and taken out again, only the kept positions computed where that is
// enough, the prefix cache. What a layer computes is its model's own. Legend: R rows, L text
// positions, K positions with prompt rows, P prompt rows, D width, T tasks.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "models/backbone.h"
#include "models/layers/attention.h"
#include "models/layers/dropout.h"

namespace metaloom {

/// Layer `layer` of states x [R, K, D]. With keep_R only position keep_R[r] of each row is wanted:
/// [R, 1, D]. What it reads that may ask for gradients is x and the context's; it may be called
/// when the pass is over.
using EncoderLayer =
    std::function<at::Tensor(const LayerContext& context, int layer, const at::Tensor& x_RKD,
                             const Sight& sight, const at::Tensor& keep_R)>;

/// How far a layer's attention reaches over the text. Prompt rows are seen from everywhere; where
/// attention is causal, they see those before them alone.
struct Reach {
  bool causal = false;       // nothing that comes later is seen
  std::int64_t window = -1;  // nothing that is further away than this is seen; -1: all is
  bool operator==(const Reach&) const = default;
};

struct EncoderStack {
  int layers = 0;  // of the model
  const LayerContext& context;
  EncoderLayer layer;
  std::function<Reach(int layer)> reach = {};  // empty: all see all

  /// States after the last layer, from text_RLD at the input of options.first_layer on.
  at::Tensor run(const Batch& batch, const ForwardOptions& options,
                 const at::Tensor& text_RLD) const;
  /// States at the input of layer `last`, from the embeddings' output on.
  at::Tensor run_below(const Batch& batch, const at::Tensor& text_RLD, int last) const;
};

/// Throws Error{internal} where `options` ask a model of so many layers for what cannot be: states
/// of no layer, prompts below the first one run, rows that do not divide, soft tokens without
/// values.
void check_pass(const Batch& batch, const ForwardOptions& options, int layers);
/// Throws Error{internal} where a prefix of so many layers cannot be: see encode_below.
void check_prefix(const Batch& batch, int layer, int layers);

/// The words' embeddings with the soft tokens of batch.slot_RL in place of theirs (P-tuning, Liu et
/// al. 2021); the words' own where the batch or the options have none.
at::Tensor with_soft_tokens(const at::Tensor& words_RLD, const Batch& batch,
                            const at::Tensor& soft_TPD);

/// The dropout that the options ask for. Throws Error{internal} on another number of streams than
/// tasks.
Dropout dropout_of(const Batch& batch, const ForwardOptions& options);

}  // namespace metaloom
