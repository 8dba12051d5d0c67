// golden_metaprompting MODEL.h5 CASE.h5 OUT.h5: the meta-gradient that the program takes of a pack
// of episodes, for tests/golden/metaprompting_gradient_test.py to compare with transformers.
// CASE holds `case`, JSON: {"method": {option: value}, "max_length": n, "double": bool,
// "label_words": [[[id, ...], ...], ...], "tasks": [{"classes": [...], "support": [[id, ...], ...],
// "support_labels": [...], "query": ..., "query_labels": ...}]}; and theta/NAME where theta is not
// to be the method's own start. OUT holds theta/NAME, gradient/NAME (summed over tasks), loss [T].
#include <ATen/ATen.h>

#include <cstdio>
#include <exception>
#include <list>

#include "core/archive.h"
#include "core/files.h"
#include "core/json.h"
#include "core/registry.h"
#include "methods/method.h"

namespace metaloom {
namespace {

struct Gradients final : GradientSink {
  void add(const std::string& name, const at::Tensor& gradient) override {
    sums.set(name, gradient);
  }
  Params sums;
};

/// The episodes of a case and the texts that they view.
struct Episodes {
  explicit Episodes(const Json& given) {
    dataset.name = "golden";
    dataset.family = "episodes";
    dataset.label_words = given["label_words"];
    for (std::size_t n = 0; n < dataset.label_words.size(); ++n)
      dataset.labels.push_back("label " + std::to_string(n));
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
  Pretrained model = Pretrained::from_archive(Archive::load(model_file), model_file);
  const Archive given = Archive::load(case_file);
  const Json json = parse_json(given.text("case"), case_file);
  const at::ScalarType dtype = json["double"].get<bool>() ? at::kDouble : at::kFloat;
  model.weights = model.weights.map([dtype](const at::Tensor& value) { return value.to(dtype); });

  const Episodes episodes(json);
  TaskOptions options;
  options.max_length = json["max_length"].get<std::int64_t>();
  Table section;
  for (const auto& [key, value] : json["method"].items()) section.assign(key + "=" + value.dump());
  const auto method = Registry<Method>::make(
      "metaprompting", section, Ingredients{model, {&episodes.dataset}, options, 1, Rng(0)});
  Params theta = method->initial();
  theta = theta.merged_with(
      given.params("theta").map([dtype](const at::Tensor& value) { return value.to(dtype); }));

  Gradients found;
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
  if (count != 4) {
    std::fprintf(stderr, "usage: golden_metaprompting MODEL.h5 CASE.h5 OUT.h5\n");
    return 2;
  }
  try {
    metaloom::run(words[1], words[2], words[3]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
