// What every method owes the sink it delivers to, whichever of its tasks are finite.
#include <cmath>

#include "tests/methods/method_worlds.h"

namespace metaloom {
namespace {

class Listener final : public GradientSink {
 public:
  void add(const std::string& name, const at::Tensor&) override {
    EXPECT_FALSE(completed.contains(name)) << name << " grows after it was called complete";
    added.insert(name);
  }
  void complete(const std::string& name) override {
    EXPECT_TRUE(completed.insert(name).second) << name << " is complete twice";
  }
  std::set<std::string> added, completed;
};

TEST_P(MethodLaws, EveryNameIsCompletedOnceAndNothingIsAddedToItAfterwards) {
  const auto listen_in = [&](std::int64_t step, bool finite) {
    on_every_world([&](const Method& method, const World& world) {
      Listener sink;
      method.gradients(method.initial(), world.tasks, context_of(step), sink);
      if (finite) {
        EXPECT_FALSE(sink.added.empty());
      }
      EXPECT_EQ(sink.completed, sink.added);
    });
  };
  for (const std::int64_t step : {0, 7}) listen_in(step, true);
  // And where the last task is not finite.
  const char* words = "embeddings.word_embeddings.weight";
  batches_.pretrained.weights.at(words)[batches_.rare].fill_(NAN);
  texts_.pretrained.weights.at(words)[texts_.rare].fill_(NAN);
  episodes_.pretrained.weights.at(words)[episodes_.rare].fill_(NAN);
  listen_in(0, false);
}

}  // namespace
}  // namespace metaloom
