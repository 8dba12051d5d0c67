#include "worker/evaluation/evaluation.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/core/scratch.h"
#include "tests/worker/toy_run.h"

namespace metaloom {
namespace {

// A world of one that counts its signs of life.
class Listener final : public Communicator {
 public:
  Listener() : Communicator(60) {}
  int rank() const override { return 0; }
  int size() const override { return 1; }
  int local_size() const override { return 1; }
  int local_rank() const override { return 0; }
  std::string host() const override { return "here"; }
  int cores() const override { return 1; }
  std::unique_ptr<Pending> all_reduce(at::Tensor, Reduce) override { return nullptr; }
  void broadcast(at::Tensor, int) override {}
  std::vector<std::string> all_gather(const std::string& mine) override { return {mine}; }
  void barrier() override {}
  std::vector<std::int64_t> vote(std::vector<std::int64_t> mine) override { return mine; }
  void announce(const std::string& section, std::chrono::duration<double>) override {
    ++signs[section];
  }
  [[noreturn]] void abort(int, const std::string&) override { std::abort(); }

  std::map<std::string, std::int64_t> signs;
};

TEST(Evaluation, GivesASignOfLifeForEveryTask) {
  // What broke: an evaluation longer than comm.deadline was taken for a stuck process.
  const Scratch scratch;
  const Mix mix(toy_mix(scratch.path()), Rng(1));
  const ToyMethod method;
  Listener comm;
  EvaluationOptions options;
  options.batches = 3;
  const auto scores =
      evaluate(comm, method, method.initial(), mix, Split::validation, options, {}, "toy");
  ASSERT_EQ(scores.size(), 1u);
  EXPECT_GE(comm.signs.at("evaluation"), 3);
}

}  // namespace
}  // namespace metaloom
