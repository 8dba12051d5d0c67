// Whether a run's evaluation texts were trained on, seen before anything is trained: a few-shot or
// end-task result must come from a pre-fine-tuning mix without its sets and their text twins, and
// from other rows than a stage's own training rows. What is found is refused, left out of what is
// scored, or allowed, as data.overlap says of the set.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "launcher/config/run_config.h"
#include "sampler/mix/mix.h"
#include "worker/run_state.h"

namespace metaloom {

/// What a search that may take long calls after each store that it has read.
using Alive = std::function<void()>;

/// Rows of one set and split that were trained on in one place. No rows: only its name was.
struct Overlap {
  std::string dataset;
  Split split = Split::validation;
  std::string trained_in;          // "1_muppet/snips", or "its own training rows"
  std::vector<std::int64_t> rows;  // of the split
  std::string line;                // for a person
};

struct StageLineage {
  Lineage trained_on;  // by the model after this stage: init's, then its own
  std::vector<Overlap> found;
  std::map<std::string, std::map<Split, std::int64_t>> rows{};  // of what is scored, of every set
  std::vector<std::string> described{};  // texts that a description lets stand in two splits

  /// What tables say of scores that rest on texts (or sets) that were trained on, or that stand in
  /// two splits.
  std::vector<std::string> allowed(const MixOptions& data) const;
  /// The rows that evaluations leave out, by set and split.
  std::map<std::string, std::map<Split, std::set<std::int64_t>>> left_out(
      const MixOptions& data) const;
};

/// What of `split` a model with this history was trained on.
std::vector<Overlap> overlaps(const Lineage& trained_on, const Mix& mix, Split split,
                              const Alive& alive);
/// What of `split` stands in the training rows of `mix` itself: whole rows of the same set (pairs
/// and choices share texts by nature), and rows with the same answer of another one. Only sets
/// named in `trained` count as trained on.
std::vector<Overlap> own_overlaps(const Mix& mix, Split split, const std::set<std::string>& trained,
                                  const Alive& alive);

/// What `split` holds of earlier splits of its own sets, as their descriptions allow
/// (docs/data.md, "Dirty rows"), a line for each set.
std::vector<std::string> described_overlaps(const Mix& mix, Split split);

/// Per stage. A stage's init is an earlier stage of `stages` or a checkpoint that exists.
std::vector<StageLineage> find_lineages(const std::vector<StageConfig>& stages, const Alive& alive);

/// Throws Error{data} at the first stage that refuses what was found, or would have nothing left to
/// score; Error{usage} where a rule is for a set that no stage has. Returns what to print.
std::vector<std::string> check_overlaps(const std::vector<StageConfig>& stages,
                                        const std::vector<StageLineage>& lineages);

}  // namespace metaloom
