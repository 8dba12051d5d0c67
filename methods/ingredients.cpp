#include "methods/ingredients.h"

#include <fmt/format.h>

#include "core/error.h"

namespace metaloom {

std::int64_t max_length_of(const Ingredients& ingredients) {
  const std::int64_t wanted = ingredients.tasks.max_length;
  const std::int64_t positions = ingredients.pretrained.backbone->geometry().positions;
  if (wanted > positions) {
    throw Error(
        Fault::usage,
        fmt::format("rows of up to {} tokens for a model of {} positions", wanted, positions),
        "data.max_length", fmt::format("Set it to at most {}.", positions));
  }
  return wanted;
}

void require_mlm_head(const Pretrained& pretrained) {
  for (const Parameter& parameter : pretrained.backbone->parameters({Part::head})) {
    if (pretrained.weights.contains(parameter.name)) continue;
    throw Error(Fault::data, "the model has no MLM head, which this method reads its answers from",
                parameter.name,
                "Use one that has it (minilm-mlm), or train it with method = \"mlm\".");
  }
}

}  // namespace metaloom
