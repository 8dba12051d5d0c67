// Whether a run's evaluation texts were trained on, seen before anything is trained: a few-shot or
// end-task result must come from a pre-fine-tuning mix without its sets and their text twins.
#pragma once

#include <string>
#include <vector>

#include "launcher/run_config.h"
#include "sampler/mix.h"
#include "worker/run_state.h"

namespace metaloom {

struct StageLineage {
  Lineage trained_on;                 // by the model after this stage: init's, then its own
  std::vector<std::string> findings;  // evaluation texts that init's model was trained on
};

/// What of `split` the model was trained on, a line for each: texts, or a set of that name.
std::vector<std::string> overlaps(const Lineage& trained_on, const Mix& mix, Split split);

/// Per stage. A stage's init is an earlier stage of `stages` or a checkpoint that exists.
std::vector<StageLineage> find_lineages(const std::vector<StageConfig>& stages);

/// Throws Error{data} at the first stage with findings that does not allow them; returns the
/// warnings to print for those that do.
std::vector<std::string> check_overlaps(const std::vector<StageConfig>& stages,
                                        const std::vector<StageLineage>& lineages);

}  // namespace metaloom
