#include "models/layers/positions.h"

#include <string>

#include "core/error.h"

namespace metaloom {

void check_length(std::int64_t length, std::int64_t positions) {
  if (length <= positions) return;
  throw Error(Fault::data,
              "rows of " + std::to_string(length) + " tokens for a model of " +
                  std::to_string(positions) + " positions",
              "batch", "Set data.max_length to at most that");
}

}  // namespace metaloom
