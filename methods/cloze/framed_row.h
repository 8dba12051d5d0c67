// One row as the model sees it, and rows as a batch.
#pragma once

#include <cstdint>
#include <vector>

#include "models/backbone.h"

namespace metaloom {

struct FramedRow {
  std::vector<std::int32_t> ids;
  std::vector<std::int64_t> types;  // of the tokens
  std::vector<std::int64_t> slots;  // j at the j-th soft token, -1 elsewhere
  std::int64_t read_at = 0;
};

/// Which of a batch's optional tensors its rows fill.
struct Filled {
  bool types = false, slots = false;
};

/// The rows of `tasks` tasks, each padded on the right with `pad` to the longest.
Batch padded_batch(const std::vector<FramedRow>& rows, std::int64_t tasks, std::int32_t pad,
                   const Filled& filled);

}  // namespace metaloom
