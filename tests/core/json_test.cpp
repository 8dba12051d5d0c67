#include "core/json.h"

#include <gtest/gtest.h>

#include "tests/core/expect_error.h"

namespace metaloom {
namespace {

TEST(Json, KeepsTheOrderOfKeys) {
  EXPECT_EQ(parse_json(R"({"b": 1, "a": [2, null]})", "x").dump(), R"({"b":1,"a":[2,null]})");
}

TEST(Json, SaysWhereItBreaks) {
  EXPECT_ERROR(parse_json("{\"a\": }", "run/manifest.json"), Fault::data, "run/manifest.json",
               "byte 7");
  EXPECT_ERROR(parse_json("", "x"), Fault::data, "not valid JSON");
  EXPECT_ERROR(parse_json("[4779e4811]", "x"), Fault::data, "not usable JSON");
}

TEST(Json, SurvivesDeepNesting) {
  EXPECT_ERROR(parse_json(std::string(100000, '['), "x"), Fault::data, "not valid JSON");
}

}  // namespace
}  // namespace metaloom
