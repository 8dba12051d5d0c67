// The plan of a run's updates, and what a mix refuses.
#include "sampler/mix/mix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>

#include "core/error.h"
#include "tests/sampler/made_stores.h"

namespace metaloom::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string key_of(const TaskId& id) {
  return std::to_string(id.dataset) + "/" + std::to_string(static_cast<int>(id.half)) + "/" +
         std::to_string(id.pass) + "/" + std::to_string(id.index);
}

class MixTest : public ::testing::Test {
 protected:
  MixTest() {
    write(sample("classification", "alpha", 75), folder_.path());
    write(sample("classification", "beta", 33), folder_.path());
    write(sample("multiple_choice", "gamma", 50), folder_.path());
    write(sample("episodes", "delta"), folder_.path());
    write(sample("episodes", "epsilon"), folder_.path());
    options_.root = folder_.path().string();
    options_.datasets = {"alpha", "beta", "gamma"};
    options_.task.batch = 4;
    options_.task.ways = 3;
    options_.task.queries = 2;
    options_.task.episodes = 30;
  }

  Mix mix(std::uint64_t seed = 5) const { return {options_, Rng(seed)}; }

  std::string refusal(Fault fault) const {
    return error_of(fault, [&] { mix(); });
  }

  TemporaryFolder folder_;
  MixOptions options_;
};

TEST_F(MixTest, PlanIsAPureFunctionOfSeedAndStep) {
  options_.slots = 7;
  const Mix one = mix(), other = mix(), another_seed = mix(6);
  std::map<std::int64_t, std::string> forwards;
  const auto text = [](const Mix& mix, std::int64_t step) {
    std::string out;
    for (const Pack& pack : mix.plan(step, Half::all))
      for (const TaskId& id : pack.tasks) out += key_of(id) + " ";
    return out;
  };
  bool differs = false;
  for (std::int64_t step = 0; step < 40; ++step) {
    forwards[step] = text(one, step);
    differs |= forwards[step] != text(another_seed, step);
  }
  for (std::int64_t step = 39; step >= 0; --step) EXPECT_EQ(text(other, step), forwards[step]);
  EXPECT_TRUE(differs);
}

TEST_F(MixTest, APassHoldsEveryBatchOnce) {
  options_.slots = 3;  // 19 + 9 + 13 = 41 batches: no multiple of the slots
  const Mix mix = this->mix();
  ASSERT_EQ(mix.tasks_per_pass(Half::all), 41);
  std::map<std::int64_t, std::map<int, std::set<std::int64_t>>> seen;
  std::vector<TaskId> slots;
  for (std::int64_t step = 0; step < 41; ++step)
    for (const Pack& pack : mix.plan(step, Half::all))
      for (const TaskId& id : pack.tasks) {
        slots.push_back(id);
        EXPECT_TRUE(seen[id.pass][id.dataset].insert(id.index).second) << "twice in a pass";
      }
  ASSERT_EQ(seen.size(), 3u);
  for (const auto& [pass, datasets] : seen) {
    EXPECT_EQ(datasets.at(0).size(), 19u);
    EXPECT_EQ(datasets.at(1).size(), 9u);
    EXPECT_EQ(datasets.at(2).size(), 13u);
  }
  bool reshuffled = false;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    EXPECT_EQ(slots[i].pass, std::int64_t(i / 41));
    reshuffled |= i >= 41 && slots[i].index != slots[i - 41].index;
  }
  EXPECT_TRUE(reshuffled) << "every pass has an order of its own";
}

TEST_F(MixTest, AnotherNumberOfSlotsReplaysTheSameSequence) {
  const auto sequence = [&](std::int64_t slots) {
    options_.slots = slots;
    const Mix mix = this->mix();
    std::vector<std::string> out;
    for (std::int64_t step = 0; step < 120 / slots; ++step)
      for (const Pack& pack : mix.plan(step, Half::all))
        for (const TaskId& id : pack.tasks) out.push_back(key_of(id));
    return out;
  };
  EXPECT_EQ(sequence(1), sequence(6));
  EXPECT_EQ(sequence(1), sequence(40));
}

TEST_F(MixTest, HalvesStayAbreast) {
  const Mix mix = this->mix();
  EXPECT_EQ(mix.tasks_per_pass(Half::first), mix.tasks_per_pass(Half::second));
  for (const Half half : {Half::first, Half::second}) {
    std::map<int, std::set<std::int64_t>> rows;
    for (std::int64_t slot = 0; slot < mix.tasks_per_pass(half); slot += options_.slots)
      for (const Pack& pack : mix.plan(slot / options_.slots, half))
        for (const TaskId& id : pack.tasks) {
          EXPECT_EQ(id.half, half);
          if (id.pass > 0) continue;
          for (const Example& e : mix.draw(id).query) rows[id.dataset].insert(e.row);
        }
    const std::size_t odd = half == Half::first;
    EXPECT_EQ(rows[0].size(), 37 + odd);
    EXPECT_EQ(rows[1].size(), 16 + odd);
    EXPECT_EQ(rows[2].size(), 25u);
  }
}

TEST_F(MixTest, PacksPartitionTheSlotsAndHoldOnlyWhatBelongsTogether) {
  options_.datasets = {"*"};
  options_.slots = 25;
  const Mix unpacked = mix();
  options_.pack = 4;
  const Mix mix = this->mix();
  std::size_t largest = 0;
  bool across = false;
  for (std::int64_t step = 0; step < 12; ++step) {
    const auto packs = mix.plan(step, Half::all);
    std::vector<std::string> packed, single;
    for (std::size_t p = 0; p < packs.size(); ++p) {
      EXPECT_EQ(packs[p].index, static_cast<std::int64_t>(p));
      ASSERT_FALSE(packs[p].tasks.empty());
      ASSERT_LE(packs[p].tasks.size(), 4u);
      largest = std::max(largest, packs[p].tasks.size());
      for (const Task& task : mix.draw(packs[p])) {
        packed.push_back(key_of(task.id));
        across |= task.id.dataset != packs[p].tasks[0].dataset;
        if (packs[p].tasks.size() > 1) {
          ASSERT_EQ(task.dataset->family, "episodes") << "batches stand alone";
        }
      }
    }
    for (const Pack& pack : unpacked.plan(step, Half::all)) {
      ASSERT_EQ(pack.tasks.size(), 1u);
      single.push_back(key_of(pack.tasks[0]));
    }
    EXPECT_EQ(packed, single) << "packing changes no task and no order";
    EXPECT_EQ(packed.size(), 25u);
  }
  EXPECT_GT(largest, 1u);
  EXPECT_TRUE(across) << "episodes of two datasets may share a pack";
}

TEST_F(MixTest, WhatIsDrawnFromADatasetDoesNotHangOnTheOthers) {
  const Mix many = mix();
  options_.datasets = {"gamma"};
  const Mix one = mix();
  TaskId id{many.index_of("gamma"), Split::train, Half::all, 2, 1};
  Task in_many = many.draw(id);
  id.dataset = 0;
  Task in_one = one.draw(id);
  in_many.id = in_one.id;
  EXPECT_EQ(describe(in_many), describe(in_one));
}

TEST_F(MixTest, EqualDatasetsAreDrawnFromDifferently) {
  options_.datasets = {"delta", "epsilon"};
  const Mix mix = this->mix();
  bool differs = false;
  for (std::int64_t i = 0; i < 10; ++i) {
    Task one = mix.draw(TaskId{0, Split::train, Half::all, 0, i});
    Task other = mix.draw(TaskId{1, Split::train, Half::all, 0, i});
    other.id = one.id;
    differs |= describe(one) != describe(other);
  }
  EXPECT_TRUE(differs);
}

TEST_F(MixTest, EvaluationIsSharedByAllWhoseSeedIsEqual) {
  options_.datasets = {"delta"};
  const Mix small = mix();
  options_.datasets = {"alpha", "delta"};
  options_.slots = 9;
  const Mix large = mix(), another_seed = mix(6);
  const auto ids = small.evaluation(0, Split::test, 20);
  ASSERT_EQ(ids.size(), 20u);
  bool differs = false;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    Task a = small.draw(ids[i]);
    Task b = large.draw(large.evaluation(1, Split::test, 20)[i]);
    Task c = another_seed.draw(another_seed.evaluation(1, Split::test, 20)[i]);
    b.id = c.id = a.id;
    EXPECT_EQ(describe(a), describe(b));
    differs |= describe(a) != describe(c);
  }
  EXPECT_TRUE(differs);
  EXPECT_EQ(large.evaluation(0, Split::test, 0).size(), 6u) << "all batches of 21 rows";
  EXPECT_EQ(large.evaluation(0, Split::test, 2).size(), 2u);
}

TEST_F(MixTest, NamesOfDatasetsAreLookedUp) {
  EXPECT_EQ(mix().index_of("beta"), 1);
  EXPECT_EQ(mix().info(2).name, "gamma");
  EXPECT_THAT(error_of(Fault::usage, [&] { mix().index_of("gama"); }), HasSubstr("\"gamma\""));
  options_.datasets = {"*"};
  EXPECT_EQ(mix().datasets(), 5);
  std::ofstream(folder_.path() / "index.json") << R"({"datasets": {"beta": {}, "alpha": {}}})";
  EXPECT_EQ(mix().datasets(), 2) << "what an index leaves out is no part of *";
  EXPECT_EQ(mix().info(0).name, "alpha");
  options_.datasets = {"delta"};
  EXPECT_EQ(mix().datasets(), 1) << "a store beside the index may be named";
}

TEST_F(MixTest, WrongChoicesAreRefused) {
  options_.datasets = {"alpa"};
  EXPECT_THAT(refusal(Fault::usage), AllOf(HasSubstr("\"alpa\""), HasSubstr("\"alpha\"")));
  options_.datasets = {"../alpha"};
  EXPECT_THAT(refusal(Fault::usage), HasSubstr("../alpha"));
  options_.datasets = {"beta", "alpha", "beta"};
  EXPECT_THAT(refusal(Fault::usage), HasSubstr("\"beta\" is chosen twice"));
  options_.datasets = {};
  EXPECT_THAT(refusal(Fault::usage), HasSubstr("alpha, beta, delta"));
  options_.datasets = {"alpha"};
  options_.slots = 0;
  EXPECT_THAT(refusal(Fault::usage), HasSubstr("0 slots"));
}

TEST_F(MixTest, WrongFoldersAreRefused) {
  options_.root = (folder_.path() / "absent").string();
  EXPECT_THAT(refusal(Fault::data), AllOf(HasSubstr("absent"), HasSubstr("metaloom data")));
  std::filesystem::create_directory(options_.root);
  EXPECT_THAT(refusal(Fault::data), HasSubstr("without token stores"));
  std::ofstream(folder_.path() / "absent" / "index.json") << "[]";
  EXPECT_THAT(refusal(Fault::data), HasSubstr("index.json"));
  options_.root = "";
  EXPECT_THAT(refusal(Fault::usage), HasSubstr("data.root"));
}

TEST_F(MixTest, WrongStoresAreRefused) {
  StoreArrays made = sample("classification", "odd");
  made.tokenizer = "t1";
  write(made, folder_.path());
  options_.datasets = {"alpha", "odd"};
  EXPECT_THAT(refusal(Fault::data), AllOf(HasSubstr("another tokenizer"), HasSubstr("odd.h5")));
  made = sample("clasification", "odd");
  write(made, folder_.path());
  EXPECT_THAT(refusal(Fault::data), AllOf(HasSubstr("\"classification\""), HasSubstr("odd.h5")));
  std::filesystem::rename(folder_.path() / "beta.h5", folder_.path() / "odd.h5");
  std::filesystem::rename(folder_.path() / "beta.json", folder_.path() / "odd.json");
  EXPECT_THAT(refusal(Fault::data), AllOf(HasSubstr("\"beta\""), HasSubstr("odd.h5")));
}

TEST_F(MixTest, NothingToTrainOnIsRefusedWhenItIsPlanned) {
  StoreArrays made = sample("classification", "bare", 0);
  write(made, folder_.path());
  write(sample("classification", "single", 1), folder_.path());
  options_.datasets = {"alpha", "bare"};
  const Mix bare = mix();
  EXPECT_EQ(bare.evaluation(1, Split::test, 0).size(), 6u) << "it can still be evaluated";
  EXPECT_THAT(error_of(Fault::data, [&] { bare.plan(0, Half::all); }),
              AllOf(HasSubstr("bare.h5"), HasSubstr("0 training rows")));
  options_.datasets = {"alpha", "single"};
  const Mix single = mix();
  EXPECT_NO_THROW(single.plan(0, Half::all));
  EXPECT_THAT(error_of(Fault::data, [&] { single.plan(0, Half::second); }),
              AllOf(HasSubstr("single.h5"), HasSubstr("too little to halve")));
}

TEST_F(MixTest, OptionsAreReadFromATable) {
  MixOptions options;
  read_fields(Table::parse("root = 'x'\ndatasets = ['a']\nslots = 8\nways = 3\nbatch = 2", "test"),
              "data", options);
  EXPECT_EQ(options.root, "x");
  EXPECT_EQ(options.slots, 8);
  EXPECT_EQ(options.task.ways, 3);
  EXPECT_EQ(options.task.batch, 2);
  EXPECT_THAT(error_of(Fault::usage,
                       [&] { read_fields(Table::parse("slot = 8", "test"), "data", options); }),
              HasSubstr("slots"));
  EXPECT_THAT(error_of(Fault::usage,
                       [&] { read_fields(Table::parse("ways = 1", "test"), "data", options); }),
              HasSubstr("ways"));
  EXPECT_THAT(error_of(Fault::usage,  // all of a pass are kept in memory
                       [&] { read_fields(Table::parse("episodes = 9000000", "x"), "", options); }),
              HasSubstr("episodes"));
}

}  // namespace
}  // namespace metaloom::testing
