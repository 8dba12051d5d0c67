// A model as the rest of the program receives it: backbone, weights, vocabulary; read from a model
// archive or from the sections of a checkpoint (both have the same layout, docs/formats.md).
#pragma once

#include <memory>
#include <string>

#include "core/archive/archive.h"
#include "models/backbone.h"
#include "models/tokenizers/vocabulary.h"

namespace metaloom {

struct Pretrained {
  std::string meta;       // JSON text of /meta
  std::string tokenizer;  // tokenizer.json
  std::string tokenizer_digest;
  std::unique_ptr<Backbone> backbone;
  std::unique_ptr<Vocabulary> vocabulary;
  Params weights;

  /// The word table [V, D]; tells the device and precision of all weights, too.
  const at::Tensor& words_VD() const { return weights.at(backbone->word_table()); }

  /// Throws Error{data} on a wrong format, a missing, wrongly shaped or non-finite tensor.
  static Pretrained from_archive(const Archive& archive, const std::string& origin);
  /// The archive that from_archive reads, with `weights` in place of its own.
  Archive to_archive(const Params& weights) const;
};

}  // namespace metaloom
