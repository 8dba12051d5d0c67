// The rows of the vocabulary that a pack of tasks reads. Where all that has a row per
// word is fast (the word table and the head's bias), only these rows are: the gradient of the
// others is exactly zero, and an inner optimizer leaves alone what has none. Legend: T tasks, U
// rows in use, V vocabulary.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/backbone.h"

namespace metaloom {

class VocabularyRows {
 public:
  /// All of them.
  explicit VocabularyRows(const Backbone& backbone);
  /// Those of the words that occur in `ids` (int64, at least one tensor).
  VocabularyRows(const Backbone& backbone, const std::vector<at::Tensor>& ids);

  /// Of a tensor that is for `name` of theta, its rows in use along `dim`, where it has one for
  /// each word of the vocabulary; else the tensor itself.
  at::Tensor taken(const std::string& name, const at::Tensor& value, std::int64_t dim) const;
  /// What `taken` took, in its place of `whole`.
  at::Tensor put_back(const std::string& name, const at::Tensor& rows, const at::Tensor& whole,
                      std::int64_t dim) const;
  /// The same among zeros, in the shape of `like`.
  at::Tensor among_zeros(const std::string& name, const at::Tensor& rows, const at::Tensor& like,
                         std::int64_t dim) const;
  /// Weights in which `own_T` [T, ...] (the backbone's names; of a word table the rows in use) win
  /// over `shared`.
  std::unique_ptr<Weights> weights(Params shared, Params own_T, std::int64_t tasks,
                                   Products products) const;

 private:
  bool cuts(const std::string& name, const at::Tensor& value, std::int64_t dim) const;

  std::string table_;               // the backbone's name of the word table,
  std::vector<std::string> names_;  // and of all that has a row per word
  std::int64_t vocabulary_ = 0;     // V
  at::Tensor used_U_, place_V_;     // rows in use; where a row stands among them; undefined: all
};

}  // namespace metaloom
