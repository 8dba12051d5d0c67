// What a checkpoint of a run holds, and how a run starts from one: the sections theta, optimizer,
// progress, lineage (what was trained on) and the shared section model (frozen weights).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "checkpoints/checkpoint.h"
#include "methods/method.h"
#include "worker/optimizer/flat_params.h"
#include "worker/optimizer/optimizer.h"

namespace metaloom {

/// Where a run stands. Everything else about it follows from (seed, step).
struct RunProgress {
  std::int64_t step = 0;     // updates made
  std::int64_t skipped = 0;  // updates left out because the reduced gradient was not finite
  std::int64_t threads = 0;  // per rank: another number sums in another order
  std::string stage;
};

/// Text digests of everything a model was trained on, stage after stage: lets a later stage see
/// whether its evaluation texts were trained on (a few-shot result must not rest on its own test
/// texts).
class Lineage {
 public:
  /// `rows`: the digests of a dataset's training rows, added to those known by that name.
  void add(const std::string& stage, const std::string& dataset,
           std::span<const std::int64_t> rows);
  /// Which of `rows` (places in it, ascending) stand in the training rows, by "stage/dataset";
  /// entries without any are left out.
  std::map<std::string, std::vector<std::int64_t>> overlap(
      std::span<const std::int64_t> rows) const;
  /// What `stage` alone trained on.
  Lineage only(const std::string& stage) const;
  /// Drops what `stage` trained on.
  void forget(const std::string& stage);
  /// The "stage/dataset" entries of a dataset of this name.
  std::vector<std::string> entries_of(const std::string& dataset) const;

  Archive save() const;
  static Lineage load(const Archive& archive);

 private:
  std::map<std::string, at::Tensor> rows_;  // "stage/dataset" -> int64 [n]
};

/// The sections of a checkpoint, the same on all ranks (collective); `texts` (configuration,
/// provenance, method) go into progress.
std::map<std::string, Archive> save_run(const FlatParams& theta, const Optimizer& optimizer,
                                        const RunProgress& progress, const Lineage& lineage,
                                        const std::map<std::string, std::string>& texts);

/// Continues the run that wrote `checkpoint`. Throws Error{data} naming the first parameter that
/// differs: a checkpoint of another model or method.
RunProgress resume_run(const Checkpoint& checkpoint, FlatParams& theta, Optimizer& optimizer);

/// Starts from an earlier stage's result: copies every entry of its theta that `theta` has too, by
/// name and shape ("model.*" entries are in the model already). Returns the names taken.
std::vector<std::string> adopt(const Checkpoint& checkpoint, FlatParams& theta);

/// The model that a checkpoint describes: its frozen section with theta's "model.*" laid over.
Pretrained model_of(const Checkpoint& checkpoint);

}  // namespace metaloom
