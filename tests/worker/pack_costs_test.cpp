// The costs of an update's packs are the same numbers on every rank, told or worked out.
#include "worker/pack_costs.h"

#include <gtest/gtest.h>

#include "tests/core/scratch.h"
#include "tests/worker/toy_run.h"

namespace metaloom {
namespace {

/// Tasks that cost what their rows do, and a count of the packs that were asked about.
class Weighing final : public ToyMethod {
 public:
  Cost cost(const std::vector<TaskShape>& shapes) const override {
    ++asked;
    Cost out;
    for (const TaskShape& shape : shapes) {
      out.flops += 1.0 / static_cast<double>(shape.query_tokens);
      out.peak_bytes += static_cast<double>(shape.longest);
    }
    return out;
  }
  mutable std::size_t asked = 0;
};

TEST(PackCosts, AreThoseOfARankThatWorkedThemAllOut) {
  const Scratch folder;
  MixOptions options = toy_mix(folder.path());
  for (const std::int64_t slots : {3, 700}) {  // few, and enough to be shared out
    options.slots = slots;
    for (const int world : {1, 2, 3, 7}) {
      run_local_world(world, {}, [&](Communicator& comm) {
        const Mix mix(options, Rng(1));
        const Weighing alone, together;
        const auto packs = mix.plan(4, Half::all);
        const auto expected = costs_of(alone, mix, packs);
        const auto costs = costs_of(comm, together, mix, packs);
        ASSERT_EQ(costs.size(), expected.size());
        for (std::size_t i = 0; i < costs.size(); ++i) {
          ASSERT_EQ(costs[i].flops, expected[i].flops);
          ASSERT_EQ(costs[i].peak_bytes, expected[i].peak_bytes);
        }
        const bool shared = slots == 700 && world > 1;
        EXPECT_LE(together.asked,
                  shared ? packs.size() / static_cast<std::size_t>(world) + 1 : packs.size());
      });
    }
  }
}

}  // namespace
}  // namespace metaloom
