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
  const auto listen = [&] {
    on_every_world([](const Method& method, const World& world) {
      for (const std::int64_t step : {std::int64_t{0}, world.ingredients.steps - 1}) {
        Listener sink;
        method.gradients(method.initial(), world.tasks, context_of(step), sink);
        EXPECT_FALSE(sink.added.empty());
        EXPECT_EQ(sink.completed, sink.added);
      }
    });
  };
  listen();
  // And where the last task is not finite.
  const char* words = "embeddings.word_embeddings.weight";
  batches_.pretrained.weights.at(words)[batches_.rare].fill_(NAN);
  texts_.pretrained.weights.at(words)[texts_.rare].fill_(NAN);
  episodes_.pretrained.weights.at(words)[episodes_.rare].fill_(NAN);
  listen();
}

}  // namespace
}  // namespace metaloom
