// Which words of a command line are targets, and which are settings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "launcher/verbs/verb.h"
#include "tests/core/expect_error.h"
#include "tests/core/scratch.h"

namespace metaloom {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Arguments, APathWithAnEqualsSignIsATarget) {
  // What broke: every word with "=" was a setting, so that runs/lr=0.1 could not be looked at.
  struct Row {
    const char* word;
    bool target;
  };
  for (const Row& row : {
           Row{"runs/lr=0.1", true},
           {"runs/lr=0.1/2_x", true},
           {"./lr=0.1", true},
           {"../lr=0.1", true},
           {"/data/a=b/run", true},
           {"2024=x", true},
           {"läufe=1", true},
           {"my run=1", true},
           {"=x", true},
           {"-x=1", true},
           {"-run", true},
           {"plain", true},
           {"lr=0.1", false},  // where there is nothing of that name
           {"steps=10", false},
           {"data=a=b.jsonl", false},
           {"run=runs/lr=0.1", false},
           {"run=/data/a b/#1", false},
           {"optimizer.rate=1e-3", false},
           {"stage.1_muppet.data.slots=3", false},
           {"stage.my stage.steps=3", false},
           {"steps=", false},
       }) {
    const Arguments sorted = sorted_words({row.word});
    EXPECT_EQ(sorted.targets.size(), row.target ? 1 : 0) << row.word;
    EXPECT_EQ(sorted.assignments.size(), row.target ? 0 : 1) << row.word;
  }
}

TEST(Arguments, WhatIsThereIsATargetWhereThereIsNoOther) {
  const Scratch scratch;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(scratch.path());
  std::filesystem::create_directory("lr=0.1");
  std::ofstream("steps=10") << "";
  const Arguments found = sorted_words({"lr=0.1", "data=x.jsonl"});
  const Arguments typed = sorted_words({"a.toml", "steps=10"});
  std::filesystem::current_path(before);
  EXPECT_THAT(found.targets, ElementsAre("lr=0.1"));
  EXPECT_THAT(found.assignments, ElementsAre("data=x.jsonl"));
  EXPECT_THAT(typed.targets,
              ElementsAre("a.toml"));  // a file of that name keeps nobody from setting
  EXPECT_THAT(typed.assignments, ElementsAre("steps=10"));
}

TEST(Arguments, TheErrorNamesTheSpellingThatWorks) {
  EXPECT_ERROR(only_target(sorted_words({"lr=0.1"}), "inspect", "a run"), Fault::usage, "./lr=0.1");
  EXPECT_ERROR(only_target(sorted_words({"my", "run"}), "inspect", "a run"), Fault::usage,
               "\"my\", \"run\"");
  EXPECT_ERROR(sorted_words({"--odd=1"}), Fault::usage, "./--odd=1");
}

}  // namespace
}  // namespace metaloom
