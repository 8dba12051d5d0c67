#include "core/config/fields.h"

#include <gtest/gtest.h>

#include "core/files/files.h"
#include "tests/core/expect_error.h"
#include "tests/core/scratch.h"

namespace metaloom {
namespace {

struct Sample {
  std::int64_t steps = 100;
  double rate = 0.1;
  bool frozen = true;
  std::string init = "none";
  std::string rule = "exact";
  std::vector<std::string> datasets = {"trec"};
  std::vector<std::int64_t> layers = {1, 2};
  void fields(Fields& f) {
    f.integer("steps", steps, "updates to make", {1, 1e9});
    f.real("rate", rate, "learning rate", {0, 10});
    f.flag("frozen", frozen, "whether the encoder is frozen");
    f.text("init", init, "where to start from");
    f.choice("rule", rule, "meta-gradient", {"exact", "first_order"});
    f.texts("datasets", datasets, "stores of the mix");
    f.integers("layers", layers, "layers with prompts", {0, 99});
  }
};

Sample read(const std::string& toml, const std::vector<std::string>& assignments = {}) {
  Table table = Table::parse(toml, "configs/x.toml");
  for (const auto& assignment : assignments) table.assign(assignment);
  Sample out;
  read_fields(table, "train", out);
  return out;
}

TEST(Config, FieldsTakeTheirValues) {
  const Sample sample = read(R"(
steps = 7
rate = 1
frozen = false
init = "runs/a"
rule = "first_order"
datasets = ["a", "b"]
layers = []
)");
  EXPECT_EQ(sample.steps, 7);
  EXPECT_EQ(sample.rate, 1.0);
  EXPECT_FALSE(sample.frozen);
  EXPECT_EQ(sample.init, "runs/a");
  EXPECT_EQ(sample.rule, "first_order");
  EXPECT_EQ(sample.datasets, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(sample.layers.empty());
  EXPECT_EQ(read("").steps, 100);
}

TEST(Config, WholeNumbersMayBeWrittenWithAnExponent) {
  EXPECT_EQ(read("steps = 1e3").steps, 1000);
  EXPECT_ERROR(read("steps = 1.5"), Fault::usage, "whole number");
  EXPECT_ERROR(read("steps = 1e300"), Fault::usage, "steps");
}

TEST(Config, WrongTypesNameFileLineAndWhatIsWanted) {
  EXPECT_ERROR(read("\nsteps = \"many\""), Fault::usage, "configs/x.toml:2", "\"train.steps\"",
               "a text (\"many\")", "Give a whole number");
  EXPECT_ERROR(read("rate = \"fast\""), Fault::usage, "Give a number");
  EXPECT_ERROR(read("frozen = 1"), Fault::usage, "true or false");
  EXPECT_ERROR(read("init = 5"), Fault::usage, "Give a text in quotes");
  EXPECT_ERROR(read("datasets = \"trec\""), Fault::usage, "list of texts");
  EXPECT_ERROR(read("datasets = [1]"), Fault::usage, "list of texts");
  EXPECT_ERROR(read("datasets = [\"a\", [\"b\"]]"), Fault::usage, "list of texts");
  EXPECT_ERROR(read("layers = [1.5]"), Fault::usage, "list of whole numbers");
  EXPECT_ERROR(read("layers = 3"), Fault::usage, "list of whole numbers");
  EXPECT_ERROR(read("[steps]\na = 1"), Fault::usage, "\"train.steps\" is a section");
  EXPECT_ERROR(read("steps = [1]"), Fault::usage, "\"train.steps\" is a list");
  EXPECT_ERROR(read("steps = 2024-01-01"), Fault::usage, "a date or time");
}

TEST(Config, BoundsAreKept) {
  EXPECT_ERROR(read("steps = 0"), Fault::usage, "\"train.steps\" cannot be 0", "1 to 1000000000");
  EXPECT_ERROR(read("rate = nan"), Fault::usage, "cannot be nan", "0 to 10");
  EXPECT_ERROR(read("rate = inf"), Fault::usage, "cannot be inf");
  EXPECT_ERROR(read("layers = [1, 100]"), Fault::usage, "cannot be 100");
  EXPECT_ERROR(read("rule = \"exat\""), Fault::usage, "cannot be \"exat\"",
               "Did you mean \"exact\"?");
}

TEST(Config, UnknownKeysNameTheNearest) {
  EXPECT_ERROR(read("steps = 1\nstpes = 2"), Fault::usage, "configs/x.toml:2",
               "unknown key \"stpes\" in [train]", "Did you mean \"steps\"?",
               "Known: datasets, frozen");
  Table table = Table::parse("[below]\nx = 1", "x.toml");
  Sample sample;
  read_fields(table, "train", sample, {"below"});
  EXPECT_ERROR(read_fields(table, "train", sample, {"above"}), Fault::usage, "\"below\"");
}

TEST(Config, ASectionThatAnAssignmentMakesComesFromTheCommandLine) {
  Table table = Table::parse("[below]\nx = 1", "x.toml");
  for (const char* assignment : {"above.deep.y=2", "below.z=3"}) table.assign(assignment);
  EXPECT_EQ(table.origin("above"), "command line");
  EXPECT_EQ(table.origin("above.deep"), "command line");
  EXPECT_EQ(table.origin("below"), "x.toml:1");
}

TEST(Config, BrokenFilesNameTheLine) {
  EXPECT_ERROR(Table::parse("a = 1\nb = ", "x.toml"), Fault::usage, "x.toml:2", "not valid TOML");
  EXPECT_ERROR(Table::parse("a = 1\na = 2", "x.toml"), Fault::usage, "x.toml:2");
  EXPECT_ERROR(Table::load("no/such.toml"), Fault::usage, "no/such.toml", "no such");
  const Scratch scratch;
  EXPECT_ERROR(Table::load(scratch.path()), Fault::usage, "no such configuration file");
  EXPECT_ERROR(Table::parse("a = " + std::string(100000, '['), "x"), Fault::usage, "not valid");
}

TEST(Config, AssignmentsFromTheCommandLine) {
  const Sample sample =
      read("steps = 5\ninit = \"x\"", {"steps=1e2", "rate=2", "frozen=false", "init=runs/a b",
                                       "rule=first_order", "datasets=[a, b]", "layers=[3,4]"});
  EXPECT_EQ(sample.steps, 100);
  EXPECT_EQ(sample.rate, 2.0);
  EXPECT_FALSE(sample.frozen);
  EXPECT_EQ(sample.init, "runs/a b");
  EXPECT_EQ(sample.datasets, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(sample.layers, (std::vector<std::int64_t>{3, 4}));
  EXPECT_EQ(read("", {"init=007"}).init, "007");
  EXPECT_EQ(read("", {"init=12"}).init, "12");
  EXPECT_EQ(read("", {"init=2024-01-01"}).init, "2024-01-01");
  EXPECT_EQ(read("", {"init="}).init, "");
  EXPECT_EQ(read("", {"init=a=b"}).init, "a=b");
  EXPECT_EQ(read("", {"init=\"12\""}).init, "12");
  EXPECT_EQ(read("", {"init=1\nsteps = 7"}).steps, 100);  // a value cannot smuggle in a key
  EXPECT_EQ(read("", {"datasets=trec"}).datasets, (std::vector<std::string>{"trec"}));
  EXPECT_EQ(read("", {"layers=7"}).layers, (std::vector<std::int64_t>{7}));
}

TEST(Config, WrongAssignmentsSayHowToWriteThem) {
  EXPECT_ERROR(read("", {"steps"}), Fault::usage, "command line", "key=value");
  EXPECT_ERROR(read("", {"=5"}), Fault::usage, "is not a key");
  EXPECT_ERROR(read("", {"a..b=5"}), Fault::usage, "is not a key");
  EXPECT_ERROR(read("", {"steps=many"}), Fault::usage, "command line", "Give a whole number");
  EXPECT_ERROR(read("", {"stps=5"}), Fault::usage, "command line", "Did you mean \"steps\"?");
  EXPECT_ERROR(read("steps = 1", {"steps.x=5"}), Fault::usage, "has no key \"x\"");
  EXPECT_ERROR(read("[method]\nx = 1", {"method=5"}), Fault::usage, "is a section");
}

TEST(Config, AssignmentsReachIntoSections) {
  Table table = Table::parse("[method]\nname = \"spt\"\nsteps = 1", "x.toml");
  table.assign("method.steps=2");
  table.assign("method.inner.rate=0.5");
  EXPECT_EQ(table.section("method.inner").keys(), (std::vector<std::string>{"rate"}));
  EXPECT_EQ(table.origin("method.steps"), "command line");
  EXPECT_EQ(table.origin("method.name"), "x.toml:2");
  EXPECT_EQ(table.section("method").origin("name"), "x.toml:2");
  EXPECT_EQ(table.origin("method.unknown"), "x.toml:1");
  EXPECT_EQ(table.origin(), "x.toml");
}

TEST(Config, TablesAreValues) {
  Table a = Table::parse("[s]\nx = 1", "a.toml");
  Table b = a;
  b.set("s.x", std::int64_t{2});
  b.set("s.list", std::vector<std::string>{"p", "q"});
  b.erase("s.none");
  EXPECT_FALSE(a.contains("s.list"));
  EXPECT_TRUE(b.is_table("s"));
  EXPECT_FALSE(b.is_table("s.x"));
  b.erase("s");
  EXPECT_TRUE(b.keys().empty());
  a = b;
  EXPECT_TRUE(a.keys().empty());
}

TEST(Config, OverlayGoesTableByTable) {
  const Table base = Table::parse("a = 1\n[s]\nx = 1\ny = 2", "base.toml");
  const Table over = Table::parse("[s]\ny = 3\n[t]\nz = 4", "over.toml");
  const Table both = base.overlaid_with(over);
  EXPECT_EQ(both.to_toml(), Table::parse("a = 1\n[s]\nx = 1\ny = 3\n[t]\nz = 4", "").to_toml());
  EXPECT_EQ(both.origin("s.x"), "base.toml:3");
  EXPECT_EQ(both.origin("s.y"), "over.toml:2");
}

TEST(Config, TextsAndSections) {
  const Table table = Table::parse("name = \"x\"\nn = 1\n[s]\na = 1", "x.toml");
  EXPECT_EQ(table.text("name"), "x");
  EXPECT_EQ(table.text("none", "y"), "y");
  EXPECT_ERROR(table.text("n"), Fault::usage, "x.toml:2", "must be a text");
  EXPECT_ERROR(table.text("s"), Fault::usage, "must be a text", "a section");
  EXPECT_ERROR(table.section("n"), Fault::usage, "must be a section");
  EXPECT_TRUE(table.section("none").keys().empty());
  Table outer;
  outer.set("deep.inside", table);
  EXPECT_EQ(outer.text("deep.inside.name"), "x");
  EXPECT_EQ(outer.origin("deep.inside.n"), "x.toml:2");
}

TEST(Config, WhatIsWrittenReadsBackTheSame) {
  Sample sample;
  sample.rate = 0.1 + 0.2;
  sample.init = "a \"quoted\" \\ text\nwith lines é";
  sample.layers = {};
  Table out;
  out.set("train", write_fields(sample));
  const Table back = Table::parse(out.to_toml(), "resolved");
  Sample again;
  read_fields(back.section("train"), "train", again);
  EXPECT_EQ(again.rate, sample.rate);
  EXPECT_EQ(again.init, sample.init);
  EXPECT_TRUE(again.layers.empty());
  EXPECT_EQ(out.to_toml(), back.to_toml());
  Table beta;
  beta.set("beta1", 0.9);
  EXPECT_NE(beta.to_toml().find("beta1 = 0.9\n"), std::string::npos) << beta.to_toml();
}

TEST(Config, FieldsDescribeThemselves) {
  Sample sample;
  const std::string help = describe_fields(sample, "train");
  EXPECT_NE(help.find("train.steps = 100"), std::string::npos) << help;
  EXPECT_NE(help.find("updates to make (1 to 1000000000)"), std::string::npos) << help;
  EXPECT_NE(help.find("exact | first_order"), std::string::npos) << help;
  EXPECT_NE(help.find("train.datasets = [\"trec\"]"), std::string::npos) << help;
}

TEST(Config, KeysThatNoPathCanNameAreRefusedWhereTheyStand) {
  const auto refused = [](const std::string& toml, const std::string& where) {
    EXPECT_ERROR(Table::parse(toml, "x.toml"), Fault::usage, where, "cannot be a key", "no dots");
  };
  refused("[stage.\"2.spt\"]\nsteps = 3\n", "x.toml:1");
  refused("a = 1\n\"\" = 2\n", "x.toml:2");
  refused("a = 1\n\"b.c\" = 2\n", "x.toml:2");
  refused("[data]\nroot = \"r\"\nmore = { \"\" = 2 }\n", "x.toml:3");
  Table table;
  EXPECT_ERROR(table.assign("data={\"a.b\"=1}"), Fault::usage, "command line", "cannot be a key");
  EXPECT_NO_THROW(Table::parse("[stage.2_spt]\na.b = 1\n", "x.toml"));
}

}  // namespace
}  // namespace metaloom
