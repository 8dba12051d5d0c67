#include "checkpoints/manifest.h"

#include <gtest/gtest.h>

#include "core/digest.h"
#include "core/json.h"
#include "tests/core/expect_error.h"

namespace metaloom {
namespace {

Manifest sample() {
  const std::string xxh3 = "0123456789abcdef";
  return {7,
          "config",
          "attempt",
          1700000000,
          {{"theta", {"theta.h5", 10, xxh3}}, {"model", {"../shared/" + xxh3 + ".h5", 20, xxh3}}}};
}

// The sample with something changed, and a right digest of itself.
std::string changed(const std::function<void(Json&)>& change) {
  Json json = parse_json(sample().to_json(), "sample");
  json.erase("xxh3");
  change(json);
  json["xxh3"] = hex(digest(json.dump()));
  return json.dump();
}

TEST(Manifest, RoundTrip) {
  const Manifest back = Manifest::parse(sample().to_json(), "x");
  EXPECT_EQ(back.to_json(), sample().to_json());
  EXPECT_EQ(back.step, 7);
  EXPECT_EQ(back.sections.at("model").bytes, 20);
}

TEST(Manifest, OtherVersionsSayWhoCanReadThem) {
  EXPECT_ERROR(Manifest::parse(changed([](Json& j) { j["version"] = 2; }), "run/m.json"),
               Fault::usage, "run/m.json", "format version 2 is not version 1", "release");
}

TEST(Manifest, WhatIsNotDescribedProperlyIsRefused) {
  const auto refused = [](const std::string& piece, const std::function<void(Json&)>& change) {
    EXPECT_ERROR(Manifest::parse(changed(change), "m.json"), Fault::data, "m.json", piece);
  };
  refused("not a checkpoint", [](Json& j) { j["format"] = "other"; });
  refused("no valid \"format\"", [](Json& j) { j.erase("format"); });
  refused("no valid \"step\"", [](Json& j) { j.erase("step"); });
  refused("no valid \"step\"", [](Json& j) { j["step"] = "x"; });
  refused("no valid \"sections\"", [](Json& j) { j.erase("sections"); });
  refused("no valid \"bytes\"", [](Json& j) { j["sections"]["theta"].erase("bytes"); });
  refused("no valid \"file\"", [](Json& j) { j["sections"]["theta"] = 3; });
  for (const std::string file : {"/etc/passwd.h5", "../theta.h5", "a/b.h5", ".h5", "theta.txt", "",
                                 "../shared/ffffffffffffffff.h5", "../shared/../x.h5"}) {
    refused("not described properly", [&](Json& j) { j["sections"]["theta"]["file"] = file; });
  }
  refused("not described properly", [](Json& j) { j["sections"]["theta"]["xxh3"] = "short"; });
  refused("not described properly", [](Json& j) { j["sections"]["theta"]["bytes"] = -1; });
  EXPECT_ERROR(Manifest::parse("[]", "m.json"), Fault::data, "no JSON object");
  EXPECT_ERROR(Manifest::parse("{}", "m.json"), Fault::data, "m.json");
}

TEST(Manifest, StepNames) {
  EXPECT_EQ(step_name(120), "step_00000120");
  EXPECT_EQ(step_of("step_00000120"), 120);
  EXPECT_EQ(step_of(step_name(1234567890123)), 1234567890123);
  for (const std::string name : {"", "step_", "step_120", "step_00000120.tmp-1", "step_0000012x",
                                 "latest", "step_000000120", "step_-0000120"}) {
    EXPECT_EQ(step_of(name), -1) << name;
  }
}

}  // namespace
}  // namespace metaloom
