// Seam: a pre-trained encoder as a pure function of its weights and a batch of token ids.
// Laws (tests/models/backbone_laws_test.cpp): padding and batch order do not change outputs; every
// parameter gets a gradient; an archive round trip is exact.
// Legend: R rows, L positions (text, padded right), P prompt rows, D width, T tasks, V vocabulary.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/cost.h"
#include "core/params.h"
#include "core/rng.h"
#include "models/weights/weights.h"

namespace metaloom {

/// Token ids of R rows, already framed with special tokens.
struct Batch {
  at::Tensor ids_RL;        // int64; 0-padded right
  at::Tensor segments_RL;   // int64 token types
  at::Tensor length_R;      // int64: tokens of the row, special tokens counted
  at::Tensor slot_RL;       // int64: j at the j-th soft token, -1 elsewhere; undefined if none
  at::Tensor mask_at_R;     // int64: position of the row's [MASK]; undefined if none
  std::int64_t tasks = 1;   // rows of a task are contiguous and equally many
  std::int64_t tokens = 0;  // sum of length_R
  std::int64_t rows() const { return ids_RL.size(0); }
  /// The same batch with `change` applied to each of its tensors that is defined.
  Batch map(const std::function<at::Tensor(const at::Tensor&)>& change) const;
  Batch on(at::Device device) const;
};

/// Prompt rows that stand before the text at the input of a layer.
class LayerPrompts {
 public:
  virtual ~LayerPrompts() = default;
  /// The rows at the input of layer `position` (0: the embedding output), [R, P, D] or undefined
  /// for none. text_RLD: the text's states there; mask_RL: 1 at real tokens, 0 at padding, in the
  /// states' dtype; below_RPD: the prompt rows that come out of the layer below, undefined if there
  /// are none. Prompt rows get neither position embeddings nor the embeddings' LayerNorm. What the
  /// last layer puts out is read at text positions only: there is no call after it.
  virtual at::Tensor at(int position, const at::Tensor& text_RLD, const at::Tensor& mask_RL,
                        const at::Tensor& below_RPD) const = 0;
  /// The lowest position at which rows appear: nothing below it depends on the prompts.
  virtual int lowest() const = 0;
};

/// `fused` may pick a kernel without a second derivative; `math` has all derivatives.
enum class Attention { fused, math };

struct ForwardOptions {
  Attention attention = Attention::fused;
  at::Tensor soft_TPD;                    // values of the soft tokens, [T, P, D] or [1, P, D]
  const LayerPrompts* prompts = nullptr;  // at the input of layers
  int first_layer = 0;                    // start here, with ...
  at::Tensor hidden_RLD;                  // ... these states (the prefix cache)
  at::Tensor keep_R;                      // return only this position of each row: [R, D]
  const Rng* dropout = nullptr;           // none: evaluation mode; task t draws from at({t})
  std::vector<Rng> dropout_by_task;       // instead of `dropout`: the stream of each task
  double dropout_rate = 0.1;
};

/// A model has its embeddings and layers; of each further part it has all or nothing.
enum class Part { embeddings, layers, pooler, head };
/// How a parameter begins where no trained one is at hand.
enum class Start { normal, zeros, ones };

struct Parameter {
  std::string name;
  std::vector<std::int64_t> shape;
  Part part = Part::layers;
  Start start = Start::normal;
  bool decays = true;  // whether weight decay is for it: matrices, not biases and LayerNorms
};

class Backbone {
 public:
  static constexpr const char* kSeam = "backbone";
  /// `config` is the JSON text of the model's config (Hugging Face's keys).
  using Factory = std::function<std::unique_ptr<Backbone>(const std::string& config)>;

  struct Geometry {
    std::int64_t width = 0, layers = 0, heads = 0, inner = 0, vocabulary = 0, positions = 0;
  };

  virtual ~Backbone() = default;
  virtual Geometry geometry() const = 0;
  /// Every parameter that a model of this kind may have, in the order of their names.
  virtual std::vector<Parameter> parameters() const = 0;
  /// Those of these parts alone.
  std::vector<Parameter> parameters(std::initializer_list<Part> parts) const;
  /// Hidden states [R, L, D] after the last layer, without prompt rows; [R, D] with keep_R.
  virtual at::Tensor encode(const Weights& weights, const Batch& batch,
                            const ForwardOptions& options) const = 0;
  /// States [R, L, D] at the input of layer `layer` (neither prompts nor soft tokens): what the
  /// prefix cache holds.
  virtual at::Tensor encode_below(const Weights& weights, const Batch& batch, int layer) const = 0;
  /// tanh(W h_[CLS]) of hidden_RLD or, given [R, D], of those states. Needs the pooler's weights.
  virtual at::Tensor pooled(const Weights& weights, const at::Tensor& first_RD) const = 0;
  /// MLM logits of states_ND for vocabulary ids `ids` [C] (all if undefined): [N, C].
  virtual at::Tensor mlm_logits(const Weights& weights, const at::Tensor& states_ND,
                                const at::Tensor& ids) const = 0;
  /// Names of the parameters with one row per word of the vocabulary: the word table [V, D], and
  /// the bias [V] of the MLM head.
  virtual std::string word_table() const = 0;
  virtual std::string word_bias() const = 0;
  /// One forward of `rows` rows of `length` positions (prompt rows counted) through the layers from
  /// first_layer on, and of the MLM head on `head_rows` states for `head_ids` vocabulary ids:
  /// 24 d^2 + 4 L d FLOPs per token and layer, where inner = 4 d. The peak is what a backward pass
  /// over these layers keeps, in fp32 (attention fused).
  virtual Cost forward_cost(std::int64_t rows, std::int64_t length, std::int64_t first_layer,
                            std::int64_t head_rows, std::int64_t head_ids) const = 0;
};

}  // namespace metaloom
