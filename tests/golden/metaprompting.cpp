// golden_metaprompting MODEL.h5 CASE.h5 OUT.h5: the meta-gradient that the program takes of a pack
// of episodes, for tests/golden/metaprompting_gradient_test.py to compare with transformers.
// CASE holds `case`, JSON: {"method": {option: value}, "max_length": n, "double": bool,
// "label_words": [[[id, ...], ...], ...], "tasks": [{"classes": [...], "support": [[id, ...], ...],
// "support_labels": [...], "query": ..., "query_labels": ...}]}; and theta/NAME where theta is not
// to be the method's own start. OUT holds theta/NAME, gradient/NAME (summed over tasks), loss [T].
#include <list>

#include "tests/golden/program.h"

namespace metaloom {
namespace {

/// The episodes of a case and the texts that they view.
struct Episodes {
  explicit Episodes(const Json& given) : dataset(golden::dataset_of(given, "episodes")) {
    for (const Json& each : given["tasks"]) {
      Task task;
      task.dataset = &dataset;
      task.classes = each["classes"].get<std::vector<std::int64_t>>();
      task.support = rows(each["support"], each["support_labels"]);
      task.query = rows(each["query"], each["query_labels"]);
      tasks.push_back(task);
    }
  }

  std::vector<Example> rows(const Json& ids, const Json& labels) {
    std::vector<Example> out;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      texts.push_back(ids[i].get<std::vector<std::int32_t>>());
      out.push_back({{texts.back()}, labels[i].get<std::int64_t>(), static_cast<std::int64_t>(i)});
    }
    return out;
  }

  DatasetInfo dataset;
  std::list<std::vector<std::int32_t>> texts;
  std::vector<Task> tasks;
};

void run(const char* model_file, const char* case_file, const char* out_file) {
  const golden::Case given(model_file, case_file);
  const Episodes episodes(given.json);
  const auto method = given.method("metaprompting", episodes.dataset, 1);
  const Params theta =
      method->initial().merged_with(given.given.params("theta").map(given.rounded()));

  golden::Gradients found;
  std::vector<double> losses;
  for (const TaskOutcome& outcome : method->gradients(theta, episodes.tasks, {}, found))
    losses.push_back(outcome.loss);
  Archive out;
  out.put_params("theta", theta.select([](auto name) { return name == "prompt.soft"; }));
  out.put_params("gradient", found.sums);
  out.put("loss", at::tensor(losses, at::kDouble));
  write_file(out_file, out.image());
}

}  // namespace
}  // namespace metaloom

int main(int count, char** words) {
  return metaloom::golden::main_of(count, words, metaloom::run);
}
