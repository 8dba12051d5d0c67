#include "models/decoder.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace metaloom {

Batch target_of(const Batch& batch) {
  if (!batch.target) throw Error(Fault::internal, "a batch without a target is to be decoded");
  Batch out;
  static_cast<Tokens&>(out) = *batch.target;
  out.tasks = batch.tasks;
  return out;
}

void check_extension(const Batch& more, const ForwardOptions& options) {
  if (options.prompts != nullptr || options.dropout != nullptr ||
      !options.dropout_by_task.empty() || options.first_layer > 0) {
    throw Error(Fault::internal,
                "a text cannot be extended with prompts, dropout or a prefix: its past is kept "
                "without them");
  }
  if (more.slot_RL.defined() && !options.soft_TPD.defined()) {
    throw Error(Fault::internal, "a batch with soft tokens needs their values");
  }
}

}  // namespace metaloom
