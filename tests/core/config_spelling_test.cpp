// Every key mutated by one letter is refused, and the right one is offered.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

#include "core/config/fields.h"
#include "core/error.h"

namespace metaloom {
namespace {

struct Sample {
  std::vector<std::int64_t> values = std::vector<std::int64_t>(8);
  inline static const std::vector<std::string> kKeys = {
      "steps", "ways", "shots", "queries", "k", "inner_rate", "warmup_steps", "max_length"};
  void fields(Fields& f) {
    for (std::size_t i = 0; i < kKeys.size(); ++i) f.integer(kKeys[i], values[i], "");
  }
};

// One letter exchanged, dropped, added, or swapped with the next.
std::string mutated(std::string key, int how, std::size_t at, char letter) {
  at %= key.size();
  if (how == 0) key[at] = letter;
  if (how == 1) key.erase(at, 1);
  if (how == 2) key.insert(at, 1, letter);
  if (how == 3 && at + 1 < key.size()) std::swap(key[at], key[at + 1]);
  return key;
}

void expect_refused(const std::string& key, const std::string& wrong) {
  const auto& keys = Sample::kKeys;
  if (wrong.empty() || std::find(keys.begin(), keys.end(), wrong) != keys.end()) return;
  Sample sample;
  try {
    read_fields(Table::parse(wrong + " = 1", "x.toml"), "train", sample);
    ADD_FAILURE() << '"' << wrong << "\" was taken";
  } catch (const Error& error) {
    const std::string message = error.what();
    const std::string offer = message.substr(0, message.find("Known:"));
    EXPECT_EQ(error.fault(), Fault::usage);
    EXPECT_NE(offer.find("Did you mean"), std::string::npos) << message;
    EXPECT_NE(offer.find('"' + key + '"'), std::string::npos) << wrong << ": " << message;
  }
}

TEST(ConfigSpelling, EveryMutationOfEveryKeyIsRefused) {
  for (const auto& key : Sample::kKeys) {
    for (int how = 0; how < 4; ++how) {
      for (std::size_t at = 0; at < key.size(); ++at) {
        for (char letter = 'a'; letter <= 'z'; ++letter) {
          expect_refused(key, mutated(key, how, at, letter));
        }
      }
    }
  }
}

TEST(ConfigSpelling, MutatedKeysOfRandomObjectsAreRefused) {
  struct Named {
    std::string key;
    std::int64_t value = 0;
    void fields(Fields& f) { f.integer(key, value, ""); }
  };
  EXPECT_TRUE(rc::check("a mutated key is refused with the original offered", [] {
    const auto letters = rc::gen::inRange('a', static_cast<char>('z' + 1));
    const auto key = *rc::gen::nonEmpty(rc::gen::container<std::string>(letters));
    const auto wrong =
        mutated(key, *rc::gen::inRange(0, 4), *rc::gen::inRange<std::size_t>(0, 99), *letters);
    RC_PRE(!wrong.empty() && wrong != key);
    Named object{key};
    try {
      read_fields(Table::parse(wrong + " = 1", "x.toml"), "", object);
      RC_FAIL("taken");
    } catch (const Error& error) {
      const auto offer = "Did you mean \"" + key + "\"?";
      RC_ASSERT(std::string(error.what()).find(offer) != std::string::npos);
    }
  }));
}

}  // namespace
}  // namespace metaloom
