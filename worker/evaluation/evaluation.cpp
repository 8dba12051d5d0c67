#include "worker/evaluation/evaluation.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "core/json.h"
#include "methods/measure.h"
#include "sampler/families/family_traits.h"
#include "sampler/store/token_store.h"
#include "worker/report/progress.h"

namespace metaloom {
namespace {

using Measures = std::vector<Measure>;

Json to_json(const Measures& measures) {
  Json out = Json::array();
  for (const Measure& one : measures) {
    out.push_back({one.name, one.averaging, one.mean, one.count, one.each});
  }
  return out;
}

Measures measures_of(const Json& json) {
  const auto number = [](const Json& value) {  // JSON has no NaN
    return value.is_number() ? value.get<double>() : std::nan("");
  };
  Measures out;
  for (const Json& one : json) {
    Measure& measure = out.emplace_back(Measure{.name = one[0], .averaging = one[1]});
    measure.mean = number(one[2]);
    measure.count = number(one[3]);
    for (const Json& value : one[4]) measure.each.push_back(number(value));
  }
  return out;
}

Score score_of(const std::string& dataset, const Measure& whole) {
  const Estimate estimate = estimate_of(whole);
  Score score{.dataset = dataset,
              .metric = whole.name,
              .averaging = whole.averaging,
              .value = estimate.value,
              .standard_error = estimate.standard_error,
              .n = static_cast<std::int64_t>(whole.count)};
  if (whole.averaging == kShare) {
    for (const double value : whole.each) score.right += value == 1 ? '1' : '0';
  } else if (whole.averaging == kMean) {
    score.values = whole.each;
  }
  return score;
}

/// The scores of a dataset, one for each measure but the loss, which stands beside all; where there
/// is no other, the loss has one.
std::vector<Score> summarise(const DatasetInfo& dataset, const std::vector<Measures>& tasks) {
  const bool episodes = traits_of(dataset).episodes;
  std::vector<Score> out;
  double loss = 0;
  for (std::size_t m = 0; m < tasks.at(0).size(); ++m) {
    Measures parts;
    for (const Measures& task : tasks) {
      parts.push_back(episodes ? as_one_unit(task.at(m)) : task.at(m));
    }
    const Measure one = together(parts);
    if (one.name == kLoss) loss = one.mean;
    if (one.name == kLoss && tasks[0].size() > 1) continue;
    Score& score = out.emplace_back(score_of(dataset.name, one));
    score.averaging = tasks[0][m].averaging;
    score.episodes = episodes;
  }
  for (Score& score : out) score.loss = loss;
  return out;
}

/// The progress line of an evaluation; it is gone when the scores are there.
class Watched {
 public:
  Watched(Clock& clock, std::string title, std::size_t tasks, bool shown)
      : clock_(clock),
        title_(std::move(title)),
        tasks_(tasks),
        line_(clock, shown),
        start_(clock.now()) {}
  ~Watched() { line_.clear(); }

  /// After `count` tasks of the world, about: this rank speaks for all.
  void done(std::size_t count) {
    if (!line_.due()) return;
    const double left = static_cast<double>(tasks_ - count) / static_cast<double>(count);
    line_.show(fmt::format("{}  {}/{} tasks  ETA {}", title_, count, tasks_,
                           duration_text((clock_.now() - start_) * left)));
  }

 private:
  Clock& clock_;
  std::string title_;
  std::size_t tasks_;
  ProgressLine line_;
  double start_;
};

}  // namespace

void EvaluationOptions::fields(Fields& f) {
  f.integer("every", every, "updates between evaluations on validation data; 0: none", {0});
  f.choice("split", split, "scored before and after training", {Split::validation, Split::test});
  f.integer("episodes", episodes, "episodes scored of an episode dataset", {1, 1e7});
  f.integer("batches", batches, "batches scored of any other dataset; 0: the whole split", {0});
  f.flag("before", before, "score before the first update too");
  f.text("before_name", before_name, "what tables call the score before training");
  f.text("after_name", after_name, "what tables call the score after training");
}

Measure paired_gain(const Score& start, const Score& trained) {
  Measure gain{.name = trained.metric, .averaging = kMean};
  for (std::size_t i = 0; i < trained.values.size(); ++i) {
    gain.each.push_back(trained.values[i] - start.values.at(i));
  }
  for (std::size_t i = 0; i < trained.right.size(); ++i) {
    gain.each.push_back(trained.right[i] - start.right.at(i));
  }
  gain.count = static_cast<double>(gain.each.size());
  for (const double value : gain.each) gain.mean += value / gain.count;
  return gain;
}

std::string value_text(double value, const std::string& averaging, int decimals) {
  return averaging == kShare ? fmt::format("{:.{}f} %", 100 * value, decimals)
                             : fmt::format("{:.4g}", value);
}

std::string score_text(const Score& score, int decimals) {
  const std::string half = score.averaging == kShare
                               ? fmt::format("{:.{}f}", 196 * score.standard_error, decimals)
                               : fmt::format("{:.2g}", 1.96 * score.standard_error);
  return fmt::format("{} {} +- {} (n = {}{})", score.metric,
                     value_text(score.value, score.averaging, decimals), half, score.n,
                     score.left_out == 0 ? "" : fmt::format(", {} left out", score.left_out));
}

std::vector<Score> evaluate(Communicator& comm, const Method& method, const Params& theta,
                            const Mix& mix, Split split, const EvaluationOptions& options,
                            const StepContext& context, const std::string& title) {
  const Section section(comm, "evaluation");
  std::vector<TaskId> ids;
  for (int dataset = 0; dataset < mix.datasets(); ++dataset) {
    const bool episodes = traits_of(mix.info(dataset)).episodes;
    const auto more = mix.evaluation(dataset, split, episodes ? options.episodes : options.batches);
    ids.insert(ids.end(), more.begin(), more.end());
  }
  Json mine = Json::array();
  Watched watched(comm.clock(), title, ids.size(), comm.rank() == 0);
  for (std::size_t i = comm.rank(); i < ids.size(); i += comm.size()) {
    section.alive();  // the deadline is that of one task, however many there are
    const Task task = mix.draw(ids[i]);
    mine.push_back({i, to_json(method.evaluate(theta, task, context))});
    watched.done(i + 1);
  }
  std::vector<Measures> measures(ids.size());
  for (const std::string& text : comm.all_gather(mine.dump())) {
    for (const Json& entry : parse_json(text, "scores of another rank")) {
      measures.at(entry[0].get<std::size_t>()) = measures_of(entry[1]);
    }
  }
  std::vector<Score> out;
  for (int dataset = 0; dataset < mix.datasets(); ++dataset) {
    std::vector<Measures> own;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i].dataset == dataset) own.push_back(measures[i]);
    }
    if (own.empty()) continue;
    for (Score& score : summarise(mix.info(dataset), own)) {
      score.left_out = mix.store(dataset).left_out(split);
      out.push_back(std::move(score));
    }
  }
  return out;
}

}  // namespace metaloom
