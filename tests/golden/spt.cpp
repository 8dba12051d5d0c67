// golden_spt MODEL.h5 CASE.h5 OUT.h5: the gradient that the program takes of a batch in a search
// update of SPT, for tests/golden/spt_gate_test.py to compare with transformers. CASE holds `case`,
// JSON: {"method": {option: value}, "max_length": n, "double": bool, "step": n, "label_words":
// [[[id, ...], ...], ...], "rows": [[id, ...], ...], "labels": [...]}; and theta/NAME, every
// parameter of the search. OUT holds gradient/NAME, loss [1], and mask [N + 1]: the gates kept.
#include <ATen/ATen.h>

#include <cstdio>
#include <exception>
#include <numeric>

#include "core/archive.h"
#include "core/files.h"
#include "core/json.h"
#include "core/registry.h"
#include "methods/spt_net.h"

namespace metaloom {
namespace {

struct Gradients final : GradientSink {
  void add(const std::string& name, const at::Tensor& gradient) override {
    sums.set(name, gradient);
  }
  Params sums;
};

/// A batch of a case and the texts that it views.
struct Rows {
  explicit Rows(const Json& given) {
    dataset.name = "golden";
    dataset.family = "classification";
    dataset.label_words = given["label_words"];
    for (std::size_t n = 0; n < dataset.label_words.size(); ++n)
      dataset.labels.push_back("label " + std::to_string(n));
    task.dataset = &dataset;
    task.classes.resize(dataset.labels.size());
    std::iota(task.classes.begin(), task.classes.end(), 0);
    texts = given["rows"].get<std::vector<std::vector<std::int32_t>>>();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto label = given["labels"][i].get<std::int64_t>();
      task.query.push_back({{texts[i]}, label, static_cast<std::int64_t>(i)});
    }
  }

  DatasetInfo dataset;
  std::vector<std::vector<std::int32_t>> texts;
  Task task;
};

void run(const char* model_file, const char* case_file, const char* out_file) {
  Pretrained model = Pretrained::from_archive(Archive::load(model_file), model_file);
  const Archive given = Archive::load(case_file);
  const Json json = parse_json(given.text("case"), case_file);
  const at::ScalarType dtype = json["double"].get<bool>() ? at::kDouble : at::kFloat;
  const auto rounded = [dtype](const at::Tensor& value) { return value.to(dtype); };
  model.weights = model.weights.map(rounded);

  const Rows rows(json);
  TaskOptions options;
  options.max_length = json["max_length"].get<std::int64_t>();
  Table section;
  for (const auto& [key, value] : json["method"].items()) section.assign(key + "=" + value.dump());
  const Ingredients ingredients{model, {&rows.dataset}, options, 100, Rng(0)};
  const auto method = Registry<Method>::make("spt", section, ingredients);
  const Params theta = method->initial().merged_with(given.params("theta").map(rounded));

  const StepContext context{json["step"].get<std::int64_t>(), 100, Rng(1, "golden")};
  Gradients found;
  const auto outcomes = method->gradients(theta, {rows.task}, context, found);
  Archive out;
  out.put_params("gradient", found.sums);
  out.put("loss", at::tensor({outcomes[0].loss}, at::kDouble));
  const double keep = json["method"].value("keep_probability", SptOptions().keep_probability);
  out.put("mask", gate_mask_N(context.rng, theta.at(kGates).size(0), keep).to(at::kDouble));
  write_file(out_file, out.image());
}

}  // namespace
}  // namespace metaloom

int main(int count, char** words) {
  if (count != 4) {
    std::fprintf(stderr, "usage: golden_spt MODEL.h5 CASE.h5 OUT.h5\n");
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
