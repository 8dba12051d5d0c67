// Batches of one dataset whose rows are a text, or a pair of texts, with one of C labels.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/registry.h"
#include "sampler/families/batch_order.h"
#include "sampler/families/family_traits.h"
#include "sampler/families/task_family.h"

namespace metaloom {

namespace {

class Classification final : public TaskFamily {
 public:
  Classification(const TokenStore& store, const TaskOptions& options, const Rng& rng)
      : store_(store),
        max_length_(options.max_length),
        classes_(store.info().labels.size()),
        order_(
            store, options.batch,
            [this](Split split, std::int64_t row) { return length(split, row); }, rng) {
    std::iota(classes_.begin(), classes_.end(), std::int64_t{0});
    check();
  }

  std::int64_t tasks_per_pass(Split split, Half half) const override {
    return order_.batches(split, half);
  }

  Task draw(const TaskId& id) const override {
    Task task{id, &store_.info(), classes_, {}, {}};
    for (const std::int64_t row : order_.rows(id)) {
      check(id.split, row);
      task.query.push_back(store_.example(id.split, row));
    }
    return task;
  }

  TaskShape shape(const TaskId& id) const override {
    TaskShape shape;
    for (const std::int64_t row : order_.rows(id)) {
      const std::int64_t tokens = length(id.split, row);
      shape.query_rows += 1;
      shape.query_tokens += tokens;
      shape.longest = std::max(shape.longest, tokens);
    }
    return shape;
  }

 private:
  std::int64_t length(Split split, std::int64_t row) const {
    return std::min(store_.row_tokens(split, row), max_length_);
  }

  void check() const {
    if (classes_.size() < 2)
      throw Error(Fault::data,
                  fmt::format("{} label{}: there is nothing to tell apart, and the loss is divided "
                              "by the logarithm of their number",
                              classes_.size(), classes_.size() == 1 ? "" : "s"),
                  store_.file().string(), "Leave the dataset out, or give it at least two labels.");
    for (const Split split : {Split::train, Split::validation, Split::test})
      for (std::int64_t row = 0; row < store_.rows_looked_at(split); ++row) check(split, row);
  }

  void check(Split split, std::int64_t row) const {
    const auto refuse = [&](const std::string& what, const char* cure) {
      throw Error(Fault::data, what, store_.where(split, row), cure);
    };
    if (store_.segments(split, row) > 2)
      refuse(
          fmt::format("a row of {} texts: a classification has one or two",
                      store_.segments(split, row)),
          "Give text and, where there is a second one, text_pair; then run `metaloom data` again.");
    if (store_.label(split, row) < 0)
      refuse("a row without a label", "Label it or leave it out, then run `metaloom data` again.");
  }

  const TokenStore& store_;
  std::int64_t max_length_;
  std::vector<std::int64_t> classes_;
  BatchOrder order_;
};

const Register<TaskFamily> here{"classification", "batches of labelled texts or pairs of texts",
                                [](const TokenStore& store, const TaskOptions& options, Rng rng) {
                                  return std::make_unique<Classification>(store, options, rng);
                                }};
const Register<FamilyTraits> traits{"classification", "",
                                    [] { return FamilyTraits{.target = TargetKind::label}; }};

}  // namespace

}  // namespace metaloom
