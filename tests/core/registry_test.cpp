#include "core/registry.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/core/expect_error.h"

namespace metaloom {
namespace {

struct Animal {
  static constexpr const char* kSeam = "animal";
  using Factory = std::function<std::string(const std::string& food)>;
};

const Register<Animal> zebra{"zebra", "striped",
                             [](const std::string& food) { return "zebra eats " + food; }};
const Register<Animal> ape{"ape", "hairy",
                           [](const std::string& food) { return "ape eats " + food; }};

TEST(Registry, MakesByName) {
  EXPECT_EQ(Registry<Animal>::make("zebra", "grass"), "zebra eats grass");
  EXPECT_EQ(Registry<Animal>::at("ape").about, "hairy");
  EXPECT_EQ(Registry<Animal>::names(), (std::vector<std::string>{"ape", "zebra"}));
}

TEST(Registry, NamesTheNearest) {
  EXPECT_ERROR(Registry<Animal>::at("zebar"), Fault::usage, "there is no animal called \"zebar\"",
               "Did you mean \"zebra\"?");
}

TEST(Registry, RefusesASecondOneOfTheSameName) {
  EXPECT_ERROR((Register<Animal>{"ape", "another", [](const std::string&) { return ""; }}),
               Fault::internal, "two of one name", "animal \"ape\"");
  EXPECT_EQ(Registry<Animal>::at("ape").about, "hairy");
}

}  // namespace
}  // namespace metaloom
