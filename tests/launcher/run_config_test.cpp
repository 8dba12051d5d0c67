#include "launcher/config/run_config.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/files/files.h"
#include "launcher/stage/run_identity.h"
#include "tests/core/expect_error.h"
#include "tests/core/scratch.h"

namespace metaloom {
namespace {

constexpr const char* kChain = R"(
run = "runs/a"
seed = 3
[stage.1_first]
method.name = "muppet"
[stage.2_second]
init = "1_first"
method.name = "metaprompting"
steps = 7
)";

class RunConfig : public testing::Test {
 protected:
  std::vector<StageConfig> load(const std::string& text,
                                const std::vector<std::string>& assignments = {}) const {
    replace_file(folder_.path() / "chain.toml", text);
    return load_stages(folder_.path() / "chain.toml", assignments);
  }
  Scratch folder_;
};

TEST_F(RunConfig, StagesInheritFromTheTopAndStartFromEachOther) {
  const auto stages = load(kChain, {"run=runs/b", "stage.2_second.steps=9"});
  ASSERT_EQ(stages.size(), 2u);
  EXPECT_EQ(stages[0].run.seed, 3);
  EXPECT_EQ(stages[1].run.seed, 3);
  EXPECT_EQ(stages[1].run.steps, 9);
  EXPECT_EQ(stages[0].init_stage, "");
  EXPECT_EQ(stages[1].init_stage, "1_first");
  EXPECT_EQ(stages[1].run.init, "runs/b/1_first");
}

TEST_F(RunConfig, MistakesInStagesAreNamed) {
  const std::string chain = kChain;
  EXPECT_ERROR(load(chain + "comm.backend = \"local\"\n"), Fault::usage, "comm", "top of the file");
  EXPECT_ERROR(load(chain + "run = \"elsewhere\"\n"), Fault::usage, "run", "top of the file");
  EXPECT_ERROR(load(chain, {"stage.1_first.init=2_second"}), Fault::usage, "1_first", "runs later");
  EXPECT_ERROR(load(chain, {"stage.1_first.method.name=mupet"}), Fault::usage, "mupet", "muppet");
}

TEST_F(RunConfig, AKeyWithoutItsSectionIsFound) {
  const std::string one = "method.name = \"muppet\"\n";
  EXPECT_ERROR(load(one, {"rate=1"}), Fault::usage, "command line", "\"rate\"",
               "Did you mean optimizer.rate?");
  EXPECT_ERROR(load(one + "every = 5\n"), Fault::usage, "chain.toml:2",
               "checkpoint.every or evaluate.every");
  EXPECT_ERROR(load(one, {"stesp=1"}), Fault::usage, "Did you mean \"steps\"?");
}

TEST_F(RunConfig, OneStageOrAListOfThem) {
  const auto chain = load(kChain);
  EXPECT_ERROR(the_only(chain, "runs/a"), Fault::usage, "several", "1_first, 2_second");
  const auto one = load("method.name = \"muppet\"\n");
  EXPECT_EQ(the_only(one, "runs/a").name, "muppet");
}

TEST_F(RunConfig, WhatMakesARunAnother) {
  const auto resolved = [&](const std::vector<std::string>& assignments) {
    return load(kChain, assignments)[1].resolved(Table());
  };
  const Table first = resolved({});
  using Lines = std::vector<std::string>;
  struct Case {
    std::vector<std::string> typed;
    Lines training, others;
  };
  for (const Case& one : std::vector<Case>{
           {{}, {}, {}},
           // Places are nothing of a run: what lies there is compared.
           {{"run=moved/a", "stage.2_second.init=runs/other", "data.root=x", "model.weights=y"},
            {},
            {}},
           {{"comm.threads=2", "checkpoint.every=3"},
            {},
            {"checkpoint.every = 3, was checkpoint.every = 50",
             "comm.threads = 2, was comm.threads = 0"}},
           {{"seed=4", "data.batch=3"},
            {"data.batch = 3, was data.batch = 16", "seed = 4, was seed = 3"},
            {}},
           {{"steps=8"}, {}, {}}}) {
    const SettingChanges found = changes_since(first, resolved(one.typed));
    EXPECT_EQ(found.training, one.training);
    EXPECT_EQ(found.others, one.others);
  }
  EXPECT_EQ(changes_since(first, resolved({"steps=8"})).steps, 8);
  EXPECT_EQ(changes_since(first, resolved({"steps=8"})).steps_before, 7);
  // A key that an older program did not have: its default.
  Table older = first;
  older.erase("optimizer.momentum");
  EXPECT_EQ(changes_since(older, first).training, Lines());
}

TEST_F(RunConfig, AnOlderWordForAllowedOverlaps) {
  const std::string one = "method.name = \"muppet\"\n[data]\nallow_overlap = true\n";
  EXPECT_EQ(load(one)[0].data.overlap, OverlapRule::allow);
  EXPECT_EQ(load(one, {"data.overlap=leave out"})[0].data.overlap, OverlapRule::leave_out);
  EXPECT_EQ(load(one, {"data.allow_overlap=false"})[0].data.overlap, OverlapRule::refuse);
  EXPECT_ERROR(load(one + "overlap = \"leave out\"\n"), Fault::usage, "allow_overlap",
               "Leave one of the two out");
  EXPECT_ERROR(load(one, {"data.allow_overlap=maybe"}), Fault::usage, "data.allow_overlap");
}

}  // namespace
}  // namespace metaloom
