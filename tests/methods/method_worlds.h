// The made-up worlds that laws of methods are tried on, and what one call of a method delivers.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/registry.h"
#include "tests/methods/tiny_batches.h"

namespace metaloom {

/// What a method is built and tried on.
struct World {
  std::string name;
  const Pretrained& pretrained;
  Ingredients ingredients;
  std::vector<Task> tasks;
};

class MethodLaws : public ::testing::TestWithParam<std::string> {
 protected:
  // Short texts of the last task of each world hold a word piece that no other task holds.
  TinyBatches batches_{{"classification", "pairs", "multiple_choice"}};
  TinyBatches texts_{{"classification"}};
  TinyEpisodes episodes_{3, 2};

  std::vector<World> worlds() const {
    return {{"batches", batches_.pretrained, batches_.ingredients(), batches_.tasks},
            {"texts", texts_.pretrained, texts_.ingredients(), texts_.tasks},
            {"episodes", episodes_.pretrained, episodes_.ingredients(), episodes_.tasks}};
  }

  using Trial = std::function<void(const Method& method, const World& world)>;
  void on_every_world(const Trial& trial, const Table& section = {}) const {
    int accepted = 0;
    for (const World& world : worlds()) {
      SCOPED_TRACE(world.name);
      std::unique_ptr<Method> method;
      try {
        method = Registry<Method>::make(GetParam(), section, world.ingredients);
      } catch (const Error& refusal) {
        EXPECT_EQ(refusal.fault(), Fault::usage) << refusal.what();
        continue;
      }
      ++accepted;
      trial(*method, world);
    }
    EXPECT_GT(accepted, 0) << GetParam() << " accepts none of the worlds that laws are tried on";
  }
};

inline StepContext context_of(std::int64_t step) {
  return {step, 8, Rng(5, "run").at({step})};
}

struct Delivered {
  Params sums;
  std::vector<TaskOutcome> outcomes;
};

inline Delivered deliver(const Method& method, const Params& theta, const std::vector<Task>& pack,
                         std::int64_t step) {
  CapturedGradients sink;
  Delivered out;
  out.outcomes = method.gradients(theta, pack, context_of(step), sink);
  out.sums = sink.sums;
  return out;
}

inline std::set<std::string> trained(const Method& method, const Params& theta, std::int64_t step) {
  const std::vector<std::string> groups = method.phase(step).groups;
  std::set<std::string> names;
  for (const ParameterGroup& group : method.groups(theta)) {
    if (std::find(groups.begin(), groups.end(), group.name) != groups.end())
      names.insert(group.parameters.begin(), group.parameters.end());
  }
  return names;
}

inline Params copied(const Params& params) {
  return params.map([](const at::Tensor& value) { return value.clone(); });
}

inline void expect_equal(const Params& a, const Params& b) {
  ASSERT_EQ(a.names(), b.names());
  for (const auto& [name, value] : a) EXPECT_TRUE(value.equal(b.at(name))) << name;
}

/// Adds up what single tasks delivered.
inline void add(Params& sums, const Params& more) {
  for (const auto& [name, value] : more)
    sums.set(name, sums.contains(name) ? sums.at(name) + value : value);
}

}  // namespace metaloom
