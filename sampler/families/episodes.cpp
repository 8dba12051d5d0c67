// Few-shot episodes: N classes of a split, K support and Q query rows of each.
// Classes and rows are drawn anew for every episode, both without replacement inside it. An episode
// is a function of (seed, split, half, pass, index) alone. Rows of support and query are grouped by
// class, in the order in which classes were drawn; that order numbers the local labels.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "core/registry.h"
#include "sampler/families/class_rows.h"
#include "sampler/families/family_traits.h"
#include "sampler/families/task_family.h"

namespace metaloom {

namespace {

constexpr std::int64_t kEvaluationEpisodes = 100;

/// k of 0..n-1 in random order, without replacement: the first k steps of a Fisher-Yates shuffle
/// whose untouched entries are not stored.
std::vector<std::int64_t> sample(const Rng& rng, std::int64_t n, std::int64_t k) {
  std::unordered_map<std::int64_t, std::int64_t> moved;
  const auto at = [&](std::int64_t i) {
    const auto it = moved.find(i);
    return it == moved.end() ? i : it->second;
  };
  std::vector<std::int64_t> chosen(k);
  for (std::int64_t i = 0; i < k; ++i) {
    const std::int64_t j = i + rng.below(i, n - i);
    chosen[i] = at(j);
    moved[j] = at(i);
  }
  return chosen;
}

class Episodes final : public TaskFamily {
 public:
  Episodes(const TokenStore& store, const TaskOptions& options, const Rng& rng)
      : store_(store),
        options_(options),
        rng_(rng),
        pack_key_(fmt::format("{} ways, {} shots, {} queries", options.ways, options.shots,
                              options.queries)),
        classes_(store) {
    for (const Split split : {Split::train, Split::validation, Split::test})
      for (const std::int64_t label : classes_.classes(split))
        if (short_of_[static_cast<std::size_t>(split)] < 0 &&
            classes_.rows_of(split, label) < options.shots + options.queries)
          short_of_[static_cast<std::size_t>(split)] = label;
  }

  std::int64_t tasks_per_pass(Split split, Half) const override {
    check(split);
    return options_.episodes;
  }

  Task draw(const TaskId& id) const override {
    const Episode episode = draw_rows(id);
    Task task{id, &store_.info(), episode.classes, {}, {}};
    for (std::size_t c = 0; c < episode.rows.size(); ++c)
      for (std::size_t i = 0; i < episode.rows[c].size(); ++i) {
        Example example = store_.example(id.split, episode.rows[c][i]);
        example.target.label = static_cast<std::int64_t>(c);
        (is_support(i) ? task.support : task.query).push_back(std::move(example));
      }
    return task;
  }

  TaskShape shape(const TaskId& id) const override {
    const Episode episode = draw_rows(id);
    TaskShape shape;
    for (const auto& rows : episode.rows)
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::int64_t tokens =
            std::min(store_.row_tokens(id.split, rows[i]), options_.max_length);
        (is_support(i) ? shape.support_rows : shape.query_rows) += 1;
        (is_support(i) ? shape.support_tokens : shape.query_tokens) += tokens;
        shape.longest = std::max(shape.longest, tokens);
      }
    return shape;
  }

  std::string pack_key(const TaskId&) const override { return pack_key_; }

  /// Episodes 0..count-1: a longer evaluation begins with the shorter one.
  std::vector<std::int64_t> evaluation(Split split, std::int64_t count) const override {
    check(split);
    std::vector<std::int64_t> indices(count == 0 ? kEvaluationEpisodes : count);
    for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<std::int64_t>(i);
    return indices;
  }

 private:
  struct Episode {
    std::vector<std::int64_t> classes;
    std::vector<std::vector<std::int64_t>> rows;  // of each class: K support rows, then Q queries
  };

  bool is_support(std::size_t place) const {
    return static_cast<std::int64_t>(place) < options_.shots;
  }

  std::string where(Split split) const {
    return fmt::format("{}, split {}", store_.file().string(), name_of(split));
  }

  void check(Split split) const {
    const auto classes = std::ssize(classes_.classes(split));
    if (classes < options_.ways)
      throw Error(Fault::data,
                  fmt::format("{} class{} where an episode needs {}", classes,
                              classes == 1 ? "" : "es", options_.ways),
                  where(split),
                  fmt::format("Set data.ways to at most {}, or add classes.",
                              std::max<std::int64_t>(classes, 2)));
    const std::int64_t label = short_of_[static_cast<std::size_t>(split)];
    if (label < 0) return;
    const std::int64_t rows = classes_.rows_of(split, label);
    throw Error(Fault::data,
                fmt::format("class \"{}\" has {} row{} where an episode needs {} ({} shots + "
                            "{} queries)",
                            store_.info().labels[static_cast<std::size_t>(label)], rows,
                            rows == 1 ? "" : "s", options_.shots + options_.queries, options_.shots,
                            options_.queries),
                where(split),
                "Lower data.shots or data.queries, or add rows, or take the class out of the "
                "split.");
  }

  Episode draw_rows(const TaskId& id) const {
    check(id.split);
    const Rng rng = rng_.at({static_cast<std::int64_t>(id.split),
                             static_cast<std::int64_t>(id.half), id.pass, id.index});
    const auto& known = classes_.classes(id.split);
    Episode episode;
    for (const std::int64_t place :
         sample(rng.at("classes"), static_cast<std::int64_t>(known.size()), options_.ways)) {
      const std::int64_t label = known[place];
      const auto rows = classes_.rows(id.split, label);
      std::vector<std::int64_t> drawn =
          sample(rng.at("rows").at({label}), static_cast<std::int64_t>(rows.size()),
                 options_.shots + options_.queries);
      for (std::int64_t& row : drawn) row = rows[static_cast<std::size_t>(row)];
      episode.classes.push_back(label);
      episode.rows.push_back(std::move(drawn));
    }
    return episode;
  }

  const TokenStore& store_;
  TaskOptions options_;
  Rng rng_;
  std::string pack_key_;
  ClassRows classes_;
  std::array<std::int64_t, 3> short_of_{-1, -1, -1};  // of a split, a class with too few rows
};

const Register<TaskFamily> here{
    "episodes", "N-way K-shot episodes with Q queries a class; the splits share no class",
    [](const TokenStore& store, const TaskOptions& options, Rng rng) {
      return std::make_unique<Episodes>(store, options, rng);
    }};
const Register<FamilyTraits> traits{
    "episodes", "", [] { return FamilyTraits{.target = TargetKind::label, .episodes = true}; }};

}  // namespace

}  // namespace metaloom
