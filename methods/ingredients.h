// What a method is built from, and what it may ask of it before it begins.
#pragma once

#include <cstdint>
#include <vector>

#include "core/rng.h"
#include "models/pretrained.h"
#include "sampler/families/task_family.h"

namespace metaloom {

/// What a method is built from; all of it outlives the method.
struct Ingredients {
  const Pretrained& pretrained;              // frozen unless the method trains it
  std::vector<const DatasetInfo*> datasets;  // of the mix
  TaskOptions tasks;
  std::int64_t steps = 0;  // updates of the whole run
  Rng rng{0};
};

/// data.max_length. Throws Error{usage} where the model has fewer positions than that.
std::int64_t max_length_of(const Ingredients& ingredients);
/// Throws Error{data} where the model has no MLM head.
void require_mlm_head(const Pretrained& pretrained);

}  // namespace metaloom
