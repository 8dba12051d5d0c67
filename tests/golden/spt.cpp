// golden_spt MODEL.h5 CASE.h5 OUT.h5: the gradient that the program takes of a batch in a search
// update of SPT, for tests/golden/spt_gate_test.py to compare with transformers. CASE holds `case`,
// JSON: {"method": {option: value}, "max_length": n, "double": bool, "step": n, "label_words":
// [[[id, ...], ...], ...], "rows": [[id, ...], ...], "labels": [...]}; and theta/NAME, every
// parameter of the search. OUT holds gradient/NAME, loss [1], and mask [N + 1]: the gates kept.
#include <numeric>

#include "methods/spt/net.h"
#include "tests/golden/program.h"

namespace metaloom {
namespace {

/// A batch of a case and the texts that it views.
struct Rows {
  explicit Rows(const Json& given) : dataset(golden::dataset_of(given, "classification")) {
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
  const golden::Case given(model_file, case_file);
  const Rows rows(given.json);
  const auto method = given.method("spt", rows.dataset, 100);
  const Params theta =
      method->initial().merged_with(given.given.params("theta").map(given.rounded()));

  const StepContext context{given.json["step"].get<std::int64_t>(), 100, Rng(1, "golden")};
  golden::Gradients found;
  const auto outcomes = method->gradients(theta, {rows.task}, context, found);
  Archive out;
  out.put_params("gradient", found.sums);
  out.put("loss", at::tensor({outcomes[0].loss}, at::kDouble));
  const double keep = given.json["method"].value("keep_probability", SptOptions().keep_probability);
  out.put("mask", gate_mask_N(context.rng, theta.at(kGates).size(0), keep).to(at::kDouble));
  write_file(out_file, out.image());
}

}  // namespace
}  // namespace metaloom

int main(int count, char** words) {
  return metaloom::golden::main_of(count, words, metaloom::run);
}
