// What every task family promises, for every registered one.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <thread>

#include "core/registry.h"
#include "sampler/families/family_traits.h"
#include "tests/sampler/made_stores.h"

namespace metaloom::testing {
namespace {

using Rows = std::multiset<std::int64_t>;

Rows rows_of(const Task& task) {
  Rows rows;
  for (const auto* examples : {&task.support, &task.query})
    for (const Example& example : *examples) rows.insert(example.row);
  return rows;
}

class FamilyLaws : public ::testing::TestWithParam<std::string> {
 protected:
  FamilyLaws() : store_(write(sample(GetParam()), folder_.path())) {
    options_.batch = 4;
    options_.ways = 3;
    options_.shots = 2;
    options_.queries = 3;
    options_.episodes = 40;
    options_.max_length = 30;
    family_ = make(3);
  }

  std::unique_ptr<TaskFamily> make(std::uint64_t seed) const {
    return Registry<TaskFamily>::make(GetParam(), store_, options_, Rng(seed, "test"));
  }

  std::vector<TaskId> ids(Split split, Half half, std::int64_t pass) const {
    std::vector<TaskId> out;
    for (std::int64_t i = 0; i < family_->tasks_per_pass(split, half); ++i)
      out.push_back({0, split, half, pass, i});
    return out;
  }

  std::vector<TaskId> ids_of_all_kinds() const {
    std::vector<TaskId> out;
    for (const Split split : kSplits)
      for (const Half half : {Half::all, Half::first, Half::second})
        for (const std::int64_t pass : {0, 1, 1000000})
          for (const TaskId& id : ids(split, half, pass)) out.push_back(id);
    return out;
  }

  /// A family either gives batches, whose passes cover all rows, or episodes, with support sets.
  bool gives_episodes() const {
    return !family_->draw(ids(Split::train, Half::all, 0)[0]).support.empty();
  }

  TemporaryFolder folder_;
  TokenStore store_;
  TaskOptions options_;
  std::unique_ptr<TaskFamily> family_;
};

TEST_P(FamilyLaws, EqualIdsGiveEqualTasks) {
  const auto again = make(3);
  auto all = ids_of_all_kinds();
  std::vector<std::string> forwards;
  for (const TaskId& id : all) forwards.push_back(describe(family_->draw(id)));
  for (std::size_t i = all.size(); i-- > 0;) {  // another order of asking, another instance
    ASSERT_EQ(describe(again->draw(all[i])), forwards[i]);
    ASSERT_EQ(again->draw(all[i]).id, all[i]);
  }
}

TEST_P(FamilyLaws, TrainingHangsOnSeedAndPass) {
  const auto other_seed = make(4);
  bool seeds_differ = false, passes_differ = false;
  for (const TaskId& id : ids(Split::train, Half::all, 0)) {
    TaskId later = id;
    later.pass = 1;
    seeds_differ |= rows_of(family_->draw(id)) != rows_of(other_seed->draw(id));
    passes_differ |= rows_of(family_->draw(id)) != rows_of(family_->draw(later));
  }
  EXPECT_TRUE(seeds_differ);
  EXPECT_TRUE(passes_differ);
}

TEST_P(FamilyLaws, ATaskHoldsNoRowTwice) {
  for (const TaskId& id : ids_of_all_kinds()) {
    const Task task = family_->draw(id);
    const Rows rows = rows_of(task);
    ASSERT_FALSE(task.query.empty());
    ASSERT_EQ(std::set<std::int64_t>(rows.begin(), rows.end()).size(), rows.size())
        << "support and query must be disjoint: " << describe(task);
  }
}

TEST_P(FamilyLaws, LabelsIndexTheClassesOfTheTask) {
  const TargetKind target = traits_of(store_.info()).target;
  if (target != TargetKind::label && target != TargetKind::choice) return;
  for (const TaskId& id : ids_of_all_kinds()) {
    const Task task = family_->draw(id);
    ASSERT_EQ(task.dataset, &store_.info());
    for (const auto* examples : {&task.support, &task.query})
      for (const Example& example : *examples) {
        const std::int64_t stored = store_.label(id.split, example.row);
        ASSERT_GE(example.target.label, 0);
        if (target == TargetKind::choice) {
          ASSERT_TRUE(task.classes.empty());
          ASSERT_EQ(example.target.label, stored);
          ASSERT_LT(example.target.label, static_cast<std::int64_t>(example.segments.size()) - 1);
        } else {
          ASSERT_LT(example.target.label, static_cast<std::int64_t>(task.classes.size()));
          ASSERT_EQ(task.classes[example.target.label], stored);
        }
      }
  }
}

TEST_P(FamilyLaws, ExamplesAreTheStoresRows) {
  for (const TaskId& id : ids(Split::train, Half::all, 0))
    for (const Example& example : family_->draw(id).query) {
      const Example stored = store_.example(Split::train, example.row);
      ASSERT_EQ(example.segments.size(), stored.segments.size());
      for (std::size_t s = 0; s < stored.segments.size(); ++s)
        ASSERT_TRUE(std::ranges::equal(example.segments[s], stored.segments[s]));
    }
}

TEST_P(FamilyLaws, EpisodesOfDifferentSplitsShareNoClass) {
  if (!gives_episodes()) return;  // batches have the same classes in all splits
  std::map<std::int64_t, Split> home;
  for (const Split split : kSplits)
    for (const TaskId& id : ids(split, Half::all, 0))
      for (const auto label : family_->draw(id).classes)
        ASSERT_EQ(home.emplace(label, split).first->second, split);
}

TEST_P(FamilyLaws, EpisodesAreBalanced) {
  if (!gives_episodes()) return;  // batches take rows as they come
  for (const TaskId& id : ids_of_all_kinds()) {
    const Task task = family_->draw(id);
    ASSERT_EQ(task.classes.size(), 3u);
    ASSERT_EQ(task.support.size(), 6u);
    ASSERT_EQ(task.query.size(), 9u);
    for (std::size_t i = 0; i < 6; ++i)
      ASSERT_EQ(task.support[i].target.label, std::int64_t(i / 2));
    for (std::size_t i = 0; i < 9; ++i) ASSERT_EQ(task.query[i].target.label, std::int64_t(i / 3));
  }
}

TEST_P(FamilyLaws, APassOfBatchesCoversEachRowOnce) {
  if (gives_episodes()) return;  // episodes are drawn, not dealt
  for (const Split split : kSplits)
    for (const std::int64_t pass : {0, 1, 9}) {
      Rows seen;
      for (const TaskId& id : ids(split, Half::all, pass)) seen.merge(rows_of(family_->draw(id)));
      Rows all;
      for (std::int64_t row = 0; row < store_.rows(split); ++row) all.insert(row);
      ASSERT_EQ(seen, all);
    }
}

TEST_P(FamilyLaws, HalvesOfAPassAreDisjointAndTogetherTheWhole) {
  if (gives_episodes()) return;  // halves of episodes are streams of their own
  std::set<Rows> firsts;
  for (const std::int64_t pass : {0, 1, 2}) {
    Rows halves[2];
    for (const int h : {0, 1})
      for (const TaskId& id : ids(Split::train, h == 0 ? Half::first : Half::second, pass))
        halves[h].merge(rows_of(family_->draw(id)));
    EXPECT_LE(halves[0].size() - halves[1].size(), 1u) << "cut in the middle";
    firsts.insert(halves[0]);
    Rows both = halves[0];
    both.merge(halves[1]);
    Rows all;
    for (std::int64_t row = 0; row < store_.rows(Split::train); ++row) all.insert(row);
    ASSERT_EQ(both, all);
  }
  EXPECT_EQ(firsts.size(), 3u) << "every pass is halved anew";
}

TEST_P(FamilyLaws, HalvesOfEpisodesAreDifferentStreams) {
  if (!gives_episodes()) return;  // batches are halved by rows
  std::set<std::string> tasks;
  std::size_t drawn = 0;
  for (const Half half : {Half::all, Half::first, Half::second})
    for (TaskId id : ids(Split::train, half, 0)) {
      Task task = family_->draw(id);
      task.id = {};
      tasks.insert(describe(task));
      ++drawn;
    }
  EXPECT_EQ(tasks.size(), drawn);
}

/// Written anew here: how many rows and word pieces a model encodes for an example.
void count(const Example& example, std::int64_t most, std::int64_t& rows, std::int64_t& tokens,
           std::int64_t& longest) {
  const auto size = [&](std::size_t s) {
    return static_cast<std::int64_t>(example.segments[s].size());
  };
  const auto add = [&](std::int64_t length) {
    ++rows;
    tokens += std::min(length, most);
    longest = std::max(longest, std::min(length, most));
  };
  if (example.segments.size() > 2)
    for (std::size_t s = 1; s < example.segments.size(); ++s) add(size(0) + size(s));
  else
    add(size(0) + (example.segments.size() > 1 ? size(1) : 0));
}

TEST_P(FamilyLaws, ShapeIsThatOfTheDrawnTask) {
  for (const TaskId& id : ids_of_all_kinds()) {
    const Task task = family_->draw(id);
    TaskShape expected;
    for (const Example& e : task.support)
      count(e, options_.max_length, expected.support_rows, expected.support_tokens,
            expected.longest);
    for (const Example& e : task.query)
      count(e, options_.max_length, expected.query_rows, expected.query_tokens, expected.longest);
    const TaskShape shape = family_->shape(id);
    ASSERT_EQ(shape.support_rows, expected.support_rows);
    ASSERT_EQ(shape.support_tokens, expected.support_tokens);
    ASSERT_EQ(shape.query_rows, expected.query_rows);
    ASSERT_EQ(shape.query_tokens, expected.query_tokens);
    ASSERT_EQ(shape.longest, expected.longest);
  }
}

TEST_P(FamilyLaws, TasksWithOnePackKeyAreEquallyLarge) {
  std::map<std::string, std::array<std::size_t, 3>> sizes;
  for (const TaskId& id : ids_of_all_kinds()) {
    const std::string key = family_->pack_key(id);
    if (key.empty()) continue;
    const Task task = family_->draw(id);
    const std::array size{task.classes.size(), task.support.size(), task.query.size()};
    ASSERT_EQ(sizes.emplace(key, size).first->second, size);
  }
}

TEST_P(FamilyLaws, EvaluationTasksAreDistinctAndCanBeDrawn) {
  for (const Split split : kSplits)
    for (const std::int64_t count : {0, 1, 2, 7}) {
      const auto indices = family_->evaluation(split, count);
      ASSERT_FALSE(indices.empty());
      if (count > 0) {
        ASSERT_LE(indices.size(), static_cast<std::size_t>(count));
      }
      ASSERT_EQ(std::set(indices.begin(), indices.end()).size(), indices.size());
      for (const auto index : indices)
        ASSERT_NO_THROW(family_->draw({0, split, Half::all, 0, index}));
    }
}

TEST_P(FamilyLaws, ThreadsMayShareAFamily) {
  const auto all = ids_of_all_kinds();
  std::vector<std::string> expected;
  for (const TaskId& id : all) expected.push_back(describe(make(3)->draw(id)));
  std::vector<std::thread> threads;
  std::vector<std::size_t> wrong(4, 0);
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < all.size(); ++i) {
        const std::size_t at = (i * 7 + t * 13) % all.size();
        wrong[t] += describe(family_->draw(all[at])) != expected[at];
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<std::size_t>(4, 0));
}

TEST_P(FamilyLaws, ATaskThatIsNotThereIsRefused) {
  if (gives_episodes()) return;  // there is no last episode
  for (const std::int64_t index :
       {std::int64_t{-1}, family_->tasks_per_pass(Split::test, Half::all)})
    error_of(Fault::internal, [&] { family_->draw({0, Split::test, Half::all, 0, index}); });
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Registered, FamilyLaws, ::testing::ValuesIn(Registry<TaskFamily>::names()),
                         test_name);

}  // namespace
}  // namespace metaloom::testing
