// Scores a theta on held-out tasks. Tasks are shared out over the ranks and gathered in their own
// order, so that the result does not depend on the world size and two runs with the same seed
// score the same episodes (paired comparisons).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "core/config/fields.h"
#include "methods/method.h"
#include "sampler/mix/mix.h"

namespace metaloom {

/// `[evaluate]`: what is scored, and when.
struct EvaluationOptions {
  std::int64_t every = 0;           // updates between evaluations on the validation split; 0: none
  Split split = Split::validation;  // of the evaluations before and after training
  std::int64_t episodes = 100;      // of an episode dataset
  std::int64_t batches = 0;         // of any other; 0: all of the split
  bool before = true;               // score theta before the first update too
  std::string before_name = "before", after_name = "after";  // how tables call the two
  void fields(Fields& f);
};

/// One measure of one dataset, over rows or over episodes, whose values are those of their own
/// rows.
struct Score {
  std::string dataset, metric;
  std::string averaging;  // of the measure's own units: the rows of an episode, too
  double value = 0, standard_error = 0;
  double loss = 0;            // of the same tasks
  std::int64_t n = 0;         // rows or episodes
  bool episodes = false;      // which of the two
  std::int64_t left_out = 0;  // rows of the split that no task is drawn from
  // Of every unit, in the order of tasks, where it is kept and the value is the units' mean:
  std::vector<double> values;  // numbers of any size, as of episodes, or ...
  std::string right;           // ... for units that are right or wrong '1' or '0'
};

/// Collective; every rank gets all scores, a dataset's measures one after the other and the one
/// that counts first. Rank 0 shows its progress under `title`.
std::vector<Score> evaluate(Communicator& comm, const Method& method, const Params& theta,
                            const Mix& mix, Split split, const EvaluationOptions& options,
                            const StepContext& context, const std::string& title);

/// Of the same tasks: the mean difference between trained and start, over the units of which both
/// kept a value; `each` is empty where none is kept.
Measure paired_gain(const Score& start, const Score& trained);

/// "81.5 %" of a share, to so many decimals; any other measure as the number that it is: "0.4321".
std::string value_text(double value, const std::string& averaging, int decimals);
/// "accuracy 81.5 % +- 1.2 (n = 100)": the interval that holds 95 %, and how many rows were left
/// out where any were.
std::string score_text(const Score& score, int decimals);

}  // namespace metaloom
