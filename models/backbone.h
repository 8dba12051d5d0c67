// Seam: a pre-trained model as a pure function of its weights and a batch of token ids.
// Laws (tests/models/backbone_laws_test.cpp): padding and batch order do not change outputs; its
// framing can be built. Every parameter gets a gradient (backbone_gradient_test.cpp); an archive
// round trip is exact (pretrained_test.cpp).
// Legend: R rows, L positions (text, padded right), P prompt rows, D width, T tasks, V vocabulary.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/cost.h"
#include "core/params.h"
#include "core/rng.h"
#include "models/framing.h"
#include "models/weights/weights.h"

namespace metaloom {

class Decoder;

/// Token ids of R rows, already framed with special pieces.
struct Tokens {
  at::Tensor ids_RL;        // int64; padded right
  at::Tensor segments_RL;   // int64 token types; undefined where the model has none
  at::Tensor length_R;      // int64: tokens of the row, special pieces counted
  std::int64_t tokens = 0;  // sum of length_R
  std::int64_t rows() const { return ids_RL.size(0); }
};

/// The texts of a pass, and what of them is soft, read, or to be written.
struct Batch : Tokens {
  at::Tensor slot_RL;            // int64: j at the j-th soft token, -1 elsewhere; undefined if none
  at::Tensor read_at_R;          // int64: the position where a row is read (models/framing.h)
  std::int64_t tasks = 1;        // rows of a task are contiguous and equally many
  std::optional<Tokens> target;  // what a decoder reads; none: made from the text
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
  bool recompute = false;  // layers keep their inputs alone for backward, and are run again there
};

/// A model has its embeddings and layers; of each further part it has all or nothing.
enum class Part { embeddings, layers, pooler, head };
constexpr std::array<std::string_view, 4> words_of(Part) {
  return {"embeddings", "layers", "pooler", "head"};
}
/// How a parameter begins where no trained one is at hand.
enum class Start { normal, zeros, ones };

/// A forward pass, described: what its cost depends on.
struct Pass {
  std::int64_t rows = 0, length = 0;         // positions of a row, prompt rows counted
  std::int64_t first_layer = 0;              // the layers from here on
  std::int64_t head_rows = 0, head_ids = 0;  // word logits: of so many states, for so many words
  std::int64_t target_length = 0;            // of what a decoder reads; 0: as long as the text
  bool recompute = false;                    // ForwardOptions::recompute
};

struct Parameter {
  std::string name;
  std::vector<std::int64_t> shape;
  Part part = Part::layers;
  Start start = Start::normal;
  bool decays = true;  // whether weight decay is for it: matrices, not biases and LayerNorms
  int layer = -1;      // the layer that it belongs to; -1: none
};

/// How Hugging Face's files spell a model of this kind, where that differs from our names.
struct HubLayout {
  /// What stands before all names but the head's: "bert.".
  std::string prefix;
  /// Names there of what is stored once here, under our name: {"cls.predictions.decoder.weight",
  /// "embeddings.word_embeddings.weight"}. Equal or absent there.
  std::vector<std::pair<std::string, std::string>> tied = {};
  /// Names there of what is no parameter (buffers), or of no use; "*" ends a name that goes on.
  std::vector<std::string> ignored = {};
  /// Ends of names whose matrices lie there as [in, out].
  std::vector<std::string> transposed = {};
  /// Names of vectors that lie there as [1, n].
  std::vector<std::string> flat = {};
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
  virtual Framing framing() const = 0;
  virtual HubLayout hub_layout() const = 0;
  /// Hidden states [R, L, D] after the last layer, without prompt rows; [R, D] with keep_R. Of a
  /// model with encoder and decoder: the decoder's, over the target.
  virtual at::Tensor encode(const Weights& weights, const Batch& batch,
                            const ForwardOptions& options) const = 0;
  /// States [R, L, D] at the input of layer `layer` (neither prompts nor soft tokens): what the
  /// prefix cache holds.
  virtual at::Tensor encode_below(const Weights& weights, const Batch& batch, int layer) const = 0;
  /// What the pre-trained pooler makes of hidden_RLD or, given [R, D], of the states that stand for
  /// rows. Needs the pooler's weights.
  virtual at::Tensor pooled(const Weights& weights, const at::Tensor& states_RD) const = 0;
  /// Logits of states_ND for vocabulary ids `ids` [C] (all if undefined), [N, C]: of the word that
  /// is hidden at a mask, or comes next. Needs the head's weights.
  virtual at::Tensor word_logits(const Weights& weights, const at::Tensor& states_ND,
                                 const at::Tensor& ids) const = 0;
  /// The part that writes texts; null: there is none.
  virtual const Decoder* decoder() const { return nullptr; }
  /// The name of the word table [V, D].
  virtual std::string word_table() const = 0;
  /// Names of all parameters with one row per word of the vocabulary: the word table, and the
  /// bias or the own table of the head.
  virtual std::vector<std::string> word_rows() const = 0;
  /// What a forward pass costs whose numbers are of type `dtype`. The peak is what a backward pass
  /// over its layers keeps (attention fused).
  virtual Cost cost(const Pass& pass, at::ScalarType dtype) const = 0;
};

}  // namespace metaloom
