// Which word pieces stand for a class: a function of all classes of its dataset, never of the
// classes that an episode draws, so that a class means the same in every task. The first piece of
// each of its words; where classes come out equal by those, all pieces of their words (for these
// classes alone). Classes that are equal by all pieces cannot be told apart: the first would
// always win. tools/data/class_pieces.py has the same rule, to refuse such a set when it is made.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "sampler/task.h"

namespace metaloom {

class ClassPieces {
 public:
  /// Decided once; the datasets outlive it and keep their place. Throws Error{data} naming a label
  /// that has no word, or two that are equal.
  explicit ClassPieces(const std::vector<const DatasetInfo*>& datasets);

  /// The pieces whose mean logit is the class's; a piece may count several times.
  const std::vector<std::int32_t>& of(const DatasetInfo& dataset, std::int64_t label) const;

 private:
  std::map<const DatasetInfo*, std::vector<std::vector<std::int32_t>>> pieces_;
};

}  // namespace metaloom
