// Batches of one dataset whose rows are a context and its candidates, one of which is right. Rows
// of a batch may have different numbers of candidates. The model encodes context and candidate
// together, one row for each candidate: lengths and shapes count those.
#include <fmt/format.h>

#include <algorithm>

#include "core/registry.h"
#include "sampler/families/batch_order.h"
#include "sampler/families/family_traits.h"
#include "sampler/families/task_family.h"

namespace metaloom {

namespace {

class MultipleChoice final : public TaskFamily {
 public:
  MultipleChoice(const TokenStore& store, const TaskOptions& options, const Rng& rng)
      : store_(store),
        max_length_(options.max_length),
        order_(
            store, options.batch,
            [this](Split split, std::int64_t row) { return longest(split, row); }, rng) {
    for (const Split split : {Split::train, Split::validation, Split::test})
      for (std::int64_t row = 0; row < store_.rows_looked_at(split); ++row) check(split, row);
  }

  std::int64_t tasks_per_pass(Split split, Half half) const override {
    return order_.batches(split, half);
  }

  Task draw(const TaskId& id) const override {
    Task task{id, &store_.info(), {}, {}, {}};
    for (const std::int64_t row : order_.rows(id)) {
      check(id.split, row);
      task.query.push_back(store_.example(id.split, row));
    }
    return task;
  }

  TaskShape shape(const TaskId& id) const override {
    TaskShape shape;
    for (const std::int64_t row : order_.rows(id)) {
      const std::int64_t segments = store_.segments(id.split, row);
      shape.query_rows += segments - 1;
      for (std::int64_t s = 1; s < segments; ++s) shape.query_tokens += length(id.split, row, s);
      shape.longest = std::max(shape.longest, longest(id.split, row));
    }
    return shape;
  }

 private:
  /// Of the context and the candidate that is segment `candidate`.
  std::int64_t length(Split split, std::int64_t row, std::int64_t candidate) const {
    return std::min(max_length_, store_.segment_tokens(split, row, 0) +
                                     store_.segment_tokens(split, row, candidate));
  }

  std::int64_t longest(Split split, std::int64_t row) const {
    std::int64_t most = 0;
    for (std::int64_t s = 1; s < store_.segments(split, row); ++s)
      most = std::max(most, length(split, row, s));
    return most;
  }

  void check(Split split, std::int64_t row) const {
    const std::int64_t choices = store_.segments(split, row) - 1;
    const std::int64_t label = store_.label(split, row);
    if (choices >= 2 && label >= 0 && label < choices) return;
    throw Error(Fault::data,
                choices < 2
                    ? fmt::format("a row with {} choices: it takes two", choices)
                    : fmt::format("the right choice is number {} of 0..{}", label, choices - 1),
                store_.where(split, row),
                "Correct the row or leave it out, then run `metaloom data` again.");
  }

  const TokenStore& store_;
  std::int64_t max_length_;
  BatchOrder order_;
};

const Register<TaskFamily> here{"multiple_choice",
                                "batches of contexts with candidates, one of them right",
                                [](const TokenStore& store, const TaskOptions& options, Rng rng) {
                                  return std::make_unique<MultipleChoice>(store, options, rng);
                                }};
const Register<FamilyTraits> traits{"multiple_choice", "",
                                    [] { return FamilyTraits{.target = TargetKind::choice}; }};

}  // namespace

}  // namespace metaloom
