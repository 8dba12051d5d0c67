// SPT's options and the course of its run (Zhu & Tan 2023): updates 0..S-1 search, by turns for the
// generators on one half of the data and for the gates on the other; the rest retrains what was
// found on all of it. Which layers were found is a pure function of theta.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "methods/cloze/class_pieces.h"
#include "methods/method.h"
#include "models/prompt_generator.h"

namespace metaloom {

/// The layers that keep prompts: those with the largest gates, or a control.
enum class Select { gates, random, all, listed };
constexpr std::array<std::string_view, 4> words_of(Select) {
  return {"gates", "random", "all", "listed"};
}

struct SptOptions {
  std::string words = "{text} . it was [MASK] .";
  LabelPieces label_pieces = LabelPieces::first;
  Select select = Select::gates;
  std::vector<std::int64_t> layers;
  std::int64_t keep = 2, search_steps = 0;
  std::int64_t prompt_rows = 5, bottleneck = 128, phm = 1;
  double tau = 1, dropout = 0;
  double consistency = 1, keep_probability = 0.5, gate_rate = 20;
  double gate_beta1 = 0.5, gate_decay = 1e-3;  // DARTS's optimizer of the architecture
  bool reparameterise = true;

  void fields(Fields& f);
};

class SptPlan {
 public:
  /// Throws Error{usage} on options that contradict each other or the backbone.
  SptPlan(const Table& section, const Ingredients& ingredients);

  const SptOptions& options() const { return options_; }
  SptOptions& options() { return options_; }
  /// Layers of the backbone: positions that can have a generator (0: the embeddings' output).
  std::int64_t positions() const { return positions_; }
  const GeneratorShape& generator() const { return generator_; }

  bool searches() const { return options_.select == Select::gates; }
  bool searches(std::int64_t step) const { return step < search_steps_; }
  std::int64_t search_steps() const { return search_steps_; }
  std::int64_t steps() const { return steps_; }  // of the run
  /// Whether update `step`, one of the search, trains the gates.
  bool gates_turn(std::int64_t step) const { return step % 2 == 1; }
  /// How many layers the final net has, and which: as the gates of theta stand, or as told.
  std::int64_t final_layers() const;
  std::vector<int> layers(const Params& theta) const;

 private:
  void check_layers() const;
  void check_steps() const;

  SptOptions options_;
  std::int64_t positions_ = 0, steps_ = 0, search_steps_ = 0;
  GeneratorShape generator_;
  Rng rng_;
};

}  // namespace metaloom
