// Seam: how tasks are drawn from one dataset. A family is a pure function of (seed, TaskId):
// the same id gives the same task on every rank, at every world size, after every resume.
// A family may be shared by threads: what it memoises is behind a lock.
// Laws (tests/sampler/family_laws_test.cpp): same id, same task; support and query disjoint;
// class splits do not overlap; halves of a pass are disjoint and together the whole.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "core/rng.h"
#include "sampler/task.h"

namespace metaloom {

class TokenStore;  // sampler/store/token_store.h

/// `[data]` keys that shape tasks; a family reads the ones that concern it.
struct TaskOptions {
  std::int64_t batch = 16;  // rows of a batch
  std::int64_t ways = 5, shots = 1, queries = 5;
  std::int64_t episodes = 6000;  // episodes of one pass
  std::int64_t max_length = 64;  // word pieces a row may keep, template included
  void fields(Fields& f);
};

class TaskFamily {
 public:
  static constexpr const char* kSeam = "task family";
  /// The store must outlive the family. Throws Error{data} when the store is none of the family's.
  using Factory = std::function<std::unique_ptr<TaskFamily>(const TokenStore& store,
                                                            const TaskOptions& options, Rng rng)>;
  virtual ~TaskFamily() = default;

  // Each of these throws Error{data} when the split cannot serve the options (fewer classes than
  // N, too few rows for K + Q), naming the split and the class.

  /// Tasks of one pass: batches that cover each row once, or episodes.
  virtual std::int64_t tasks_per_pass(Split split, Half half) const = 0;
  virtual Task draw(const TaskId& id) const = 0;
  virtual TaskShape shape(const TaskId& id) const = 0;
  /// Tasks with equal keys have equally many rows and classes, so that a pack may hold them
  /// together; tasks whose key is empty stand alone.
  virtual std::string pack_key(const TaskId& id) const;
  /// The tasks of pass 0 that evaluate a split: all of them, or `count` spread evenly over them
  /// (so over short and long rows alike); 0 means all.
  virtual std::vector<std::int64_t> evaluation(Split split, std::int64_t count) const;
};

}  // namespace metaloom
