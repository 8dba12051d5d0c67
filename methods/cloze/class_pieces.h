// Which word pieces stand for a class: a function of all classes of its dataset, never of the
// classes that an episode draws, so that a class means the same in every task. The first piece of
// each of its words, or all (LabelPieces); where classes come out equal by the first ones, all
// pieces of their words (for these classes alone). Classes that are equal by all pieces cannot be
// told apart: the first would always win. tools/data/class_pieces.py has the same rule, to refuse
// such a set when it is made.
// Words are cut as they stand within a text, with the space before them; where the label word
// begins the template, as they stand at its beginning.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "models/tokenizers/tokenizer.h"
#include "sampler/task.h"

namespace metaloom {

/// Which pieces of a class's words count.
enum class LabelPieces { first, mean };
constexpr std::array<std::string_view, 2> words_of(LabelPieces) {
  return {"first", "mean"};
}

/// How the pieces of label words are found.
struct LabelRule {
  LabelPieces pieces = LabelPieces::first;
  /// Set where label words begin a text: cuts them anew, if it keeps spaces in pieces.
  const Tokenizer* at_beginning = nullptr;
};

class ClassPieces {
 public:
  /// Decided once; the datasets outlive it and keep their place. Throws Error{data} naming a label
  /// that has no word, or two that are equal.
  explicit ClassPieces(const std::vector<const DatasetInfo*>& datasets, const LabelRule& rule = {});

  /// The pieces whose mean logit is the class's; a piece may count several times.
  const std::vector<std::int32_t>& of(const DatasetInfo& dataset, std::int64_t label) const;

 private:
  std::map<const DatasetInfo*, std::vector<std::vector<std::int32_t>>> pieces_;
};

}  // namespace metaloom
