#include "worker/evaluation/evaluation.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "core/error.h"
#include "core/json.h"
#include "sampler/store/token_store.h"
#include "worker/report/progress.h"

namespace metaloom {
namespace {

struct TaskScore {
  double accuracy = 0, loss = 0;
  std::int64_t rows = 0;
  std::string right;
};

/// Standard error of a mean of `values`.
double standard_error(const std::vector<double>& values, double mean) {
  if (values.size() < 2) return 0;
  double squares = 0;
  for (double value : values) squares += (value - mean) * (value - mean);
  const double n = static_cast<double>(values.size());
  return std::sqrt(squares / (n - 1) / n);
}

Score summarise(const DatasetInfo& dataset, const std::vector<TaskScore>& tasks) {
  const bool episodes = dataset.family == "episodes";
  Score score{.dataset = dataset.name};
  double total = 0;
  for (const TaskScore& task : tasks) {
    const double weight = episodes ? 1.0 : static_cast<double>(task.rows);
    score.value += weight * task.accuracy;
    score.loss += weight * task.loss;
    total += weight;
    if (episodes) score.values.push_back(task.accuracy);
    if (!episodes) score.right += task.right;
  }
  if (total > 0) score.value /= total, score.loss /= total;
  score.n = static_cast<std::int64_t>(total);
  score.standard_error = episodes
                             ? standard_error(score.values, score.value)
                             : std::sqrt(score.value * (1 - score.value) / std::max(1.0, total));
  return score;
}

/// The progress line of an evaluation; it is gone when the scores are there.
class Watched {
 public:
  Watched(std::string title, std::size_t tasks, bool shown)
      : title_(std::move(title)), tasks_(tasks), line_(shown) {}
  ~Watched() { line_.clear(); }

  /// After `count` tasks of the world, about: this rank speaks for all.
  void done(std::size_t count) {
    if (!line_.due()) return;
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start_;
    const double left = static_cast<double>(tasks_ - count) / static_cast<double>(count);
    line_.show(fmt::format("{}  {}/{} tasks  ETA {}", title_, count, tasks_,
                           duration_text(taken.count() * left)));
  }

 private:
  std::string title_;
  std::size_t tasks_;
  ProgressLine line_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
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

std::string counted(const Score& score) {
  return score.left_out == 0 ? fmt::format("n = {}", score.n)
                             : fmt::format("n = {}, {} left out", score.n, score.left_out);
}

std::vector<Score> evaluate(Communicator& comm, const Method& method, const Params& theta,
                            const Mix& mix, Split split, const EvaluationOptions& options,
                            const StepContext& context, const std::string& title) {
  const Section section(comm, "evaluation");
  std::vector<TaskId> ids;
  for (int dataset = 0; dataset < mix.datasets(); ++dataset) {
    const bool episodes = mix.info(dataset).family == "episodes";
    const auto more = mix.evaluation(dataset, split, episodes ? options.episodes : options.batches);
    ids.insert(ids.end(), more.begin(), more.end());
  }
  Json mine = Json::array();
  Watched watched(title, ids.size(), comm.rank() == 0);
  for (std::size_t i = comm.rank(); i < ids.size(); i += comm.size()) {
    section.alive();  // the deadline is that of one task, however many there are
    const Task task = mix.draw(ids[i]);
    const Evaluation one = method.evaluate(theta, task, context);
    mine.push_back(
        {i, one.means.at("accuracy"), one.means.at("loss"), one.means.at("count"), one.right});
    watched.done(i + 1);
  }
  std::vector<TaskScore> scores(ids.size());
  for (const std::string& text : comm.all_gather(mine.dump())) {
    for (const Json& entry : parse_json(text, "scores of another rank")) {
      const auto number = [](const Json& value) {
        return value.is_number() ? value.get<double>() : std::nan("");
      };
      scores.at(entry[0].get<std::size_t>()) = {number(entry[1]), number(entry[2]),
                                                entry[3].get<std::int64_t>(),
                                                entry[4].get<std::string>()};
    }
  }
  std::vector<Score> out;
  for (int dataset = 0; dataset < mix.datasets(); ++dataset) {
    std::vector<TaskScore> own;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i].dataset == dataset) own.push_back(scores[i]);
    }
    if (own.empty()) continue;
    out.push_back(summarise(mix.info(dataset), own));
    out.back().left_out = mix.store(dataset).left_out(split);
  }
  return out;
}

}  // namespace metaloom
