// The datasets of a run and the plan of its updates. An update has S slots (tasks); slots are cut
// into packs, independently of the number of ranks; ranks share packs out.
// Everything here is a pure function of (seed, step): any rank computes the same plan.
// All batches of all datasets are shuffled once per pass, so datasets appear in natural proportion.
// The mix owns the token stores that tasks point into. It may be shared by threads.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sampler/families/task_family.h"

namespace metaloom {

/// What becomes of evaluation texts that were trained on.
enum class OverlapRule { refuse, leave_out, allow };
constexpr std::array<std::string_view, 3> words_of(OverlapRule) {
  return {"refuse", "leave out", "allow"};
}

struct MixOptions {
  std::string root;                   // folder of the token stores (`metaloom data`)
  std::vector<std::string> datasets;  // names of stores in root; * for all of them
  // Evaluation texts that were trained on: what becomes of them, and the sets that differ.
  OverlapRule overlap = OverlapRule::refuse;
  std::vector<std::string> overlap_left_out, overlap_allowed;
  bool allow_changed = false;  // go on with stores that hold other rows than before
  std::int64_t slots = 4;      // tasks of one update
  std::int64_t pack = 1;       // tasks computed in one pass
  TaskOptions task;
  /// No key: the rows, by set, that evaluations of a split leave out.
  std::map<std::string, std::map<Split, std::set<std::int64_t>>> left_out;
  void fields(Fields& f);
  /// What holds for this set.
  OverlapRule overlap_of(const std::string& dataset) const;
};

/// A group of tasks that one rank computes in one pass: consecutive slots whose families say that
/// they may stand together (TaskFamily::pack_key), at most MixOptions::pack of them.
struct Pack {
  std::int64_t index = 0;  // place in the update's order of summation
  std::vector<TaskId> tasks;
};

class Mix {
 public:
  /// Opens every store. Throws Error{usage} for a dataset that is not there (naming the nearest),
  /// Error{data} for a missing folder, a damaged store, or stores of different tokenizers.
  Mix(const MixOptions& options, const Rng& rng);
  ~Mix();

  const MixOptions& options() const { return options_; }
  int datasets() const { return static_cast<int>(stores_.size()); }
  const DatasetInfo& info(int dataset) const;
  const TokenStore& store(int dataset) const { return *stores_[dataset]; }
  const TaskFamily& family(int dataset) const { return *families_[dataset]; }
  int index_of(const std::string& dataset) const;

  /// The packs of the update that comes after `step` others of the same `half`. Throws
  /// Error{data} where a dataset has nothing to train on, or too little to halve.
  std::vector<Pack> plan(std::int64_t step, Half half) const;
  Task draw(const TaskId& id) const;
  std::vector<Task> draw(const Pack& pack) const;
  TaskShape shape(const TaskId& id) const;
  /// Evaluation tasks of a dataset, fixed by the seed and so shared by all compared. Batches: all
  /// of the split, or `count` spread evenly over it; episodes: the first `count`; 0 means all
  /// (episodes: 100).
  std::vector<TaskId> evaluation(int dataset, Split split, std::int64_t count) const;
  /// Slots of one pass over the training rows. Both halves have the longer one's count, so that
  /// their passes stay abreast: the shorter one begins again for the few slots it lacks.
  std::int64_t tasks_per_pass(Half half) const;

 private:
  TaskId task_at(Half half, std::int64_t pass, std::int64_t place) const;
  std::int64_t tasks_of(int dataset, Half half) const;

  MixOptions options_;
  Rng rng_;
  std::vector<std::unique_ptr<TokenStore>> stores_;
  std::vector<std::unique_ptr<TaskFamily>> families_;
  struct Shuffled;  // the order of the pass last asked for, behind a lock
  std::unique_ptr<Shuffled> order_[3];
};

/// Names of the token stores in `root`: those of its index.json, else its .h5 files and folders of
/// shards; sorted.
/// Throws Error{data} where the folder is missing or holds none.
std::vector<std::string> datasets_in(const std::filesystem::path& root);

/// Shares packs out: longest first to the least loaded rank (ties: lower rank), so that every
/// rank computes the same assignment. Returns, per rank, indices into `costs`, ascending. Costs
/// are finite and not negative, in any unit.
std::vector<std::vector<std::size_t>> share_out(const std::vector<double>& costs, int world);

}  // namespace metaloom
