// metaloom adapt: a few labelled texts -> a checkpoint that `predict` labels new texts with.
#include <fmt/format.h>

#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/registry.h"
#include "core/spelling.h"
#include "launcher/assembly.h"
#include "launcher/user_texts.h"
#include "launcher/verb.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

struct AdaptOptions {
  std::string data, out = "runs/adapted";
  void fields(Fields& f) {
    f.text("data", data,
           "JSON Lines, CSV or TSV with \"text\" and \"label\", a few rows per class");
    f.text("out", out, "folder of the adapted checkpoint");
  }
};

/// The trained stage in `folder`, ready to take the tasks of `datasets`.
StageConfig stage_in(const fs::path& folder, const std::vector<std::string>& assignments) {
  if (!fs::is_regular_file(folder) && !fs::exists(folder / "config.toml")) {
    throw Error(Fault::data, "this is no folder of a trained stage", folder.string(),
                "Give the folder that holds its config.toml, such as RUN/2_metaprompting.");
  }
  StageConfig config = the_only(load_stages(folder / "config.toml", assignments), folder);
  config.run.init = folder.string();
  return config;
}

/// Neither a trained stage nor another adapted checkpoint is written over.
void check_out(const fs::path& out) {
  const bool trained = fs::exists(out / "metrics.jsonl") || fs::exists(out / "result.json");
  if (!trained && !fs::exists(out / "checkpoints")) return;
  throw Error(Fault::usage,
              trained ? "this folder holds a trained stage"
                      : "this folder holds an adapted checkpoint already",
              out.string(), "Give another folder with out=..., or remove this one.");
}

/// The user's texts, tokenised for the stage's model once its method is known to make use of them.
UserTexts texts_for(const StageConfig& config, const fs::path& data) {
  const Assembly stage(config, std::vector<const DatasetInfo*>{});
  if (!stage.method->adapts()) {
    throw Error(Fault::usage, fmt::format("{} does not adapt to a few texts", config.method_name),
                config.run.init,
                "Give a stage trained by metaprompting, such as RUN/2_metaprompting.");
  }
  return UserTexts(data, stage.pretrained, true);
}

Task support_of(const UserTexts& texts) {
  Task task = task_over(texts.store().info());
  if (task.classes.size() < 2) {
    throw Error(Fault::data, fmt::format("{} class: nothing to tell apart", task.classes.size()),
                texts.store().info().name, "Label the texts with two classes or more.");
  }
  for (std::int64_t row = 0; row < texts.rows(); ++row) {
    task.support.push_back(texts.store().example(Split::train, row));
  }
  return task;
}

double support_accuracy(const Method& method, const Params& theta, Task task,
                        const StepContext& context) {
  task.query = task.support;
  task.support.clear();
  const at::Tensor best = method.scores(theta, task, context).argmax(1);
  const at::Tensor labels = labels_of(task.query, best.device());
  return best.eq(labels).to(at::kDouble).mean().item<double>();
}

class Adapt final : public Verb {
 public:
  std::string help() const override {
    AdaptOptions options;
    return "metaloom adapt STAGE data=FILE.jsonl [key=value ...]\n\n"
           "Adapts a trained stage to a new task given by a few labelled texts, and writes the\n"
           "adapted checkpoint. STAGE: a trained stage's folder; its method must adapt.\n"
           "Class names should be words: the model reads them.\n\n" +
           describe_fields(options, "") +
           "\nExample\n"
           "  metaloom adapt runs/quickstart/2_metaprompting data=mine.jsonl out=runs/mine\n"
           "  metaloom predict runs/mine data=new.jsonl\n";
  }

  std::string memory_cure() const override {
    return "Lower method.graph_memory, or give fewer or shorter texts.";
  }

  int run(const Arguments& arguments) const override {
    const fs::path folder = only_target(arguments, "adapt", "the folder of a trained stage");
    Arguments prefixed = arguments;
    for (std::string& word : prefixed.assignments) {
      if (word.starts_with("data=") || word.starts_with("out=")) word.insert(0, "adapt.");
    }
    const auto [own, others] = own_assignments(prefixed, "adapt");
    AdaptOptions options;
    read_fields(own, "", options);
    if (options.data.empty()) {
      throw Error(Fault::usage, "metaloom adapt needs data=FILE.jsonl", "command line",
                  "See metaloom adapt --help.");
    }
    check_out(options.out);
    const StageConfig config = stage_in(folder, others);
    const UserTexts texts = texts_for(config, options.data);
    const Assembly stage(config, {&texts.store().info()});
    write(stage, texts, *stage.init, options);
    return 0;
  }

 private:
  static void write(const Assembly& stage, const UserTexts& texts, const Checkpoint& trained,
                    const AdaptOptions& options) {
    const Task task = support_of(texts);
    const StepContext context = stage.context(trained.step());
    const Params adapted = stage.method->adapt(stage.theta->values(), task, context);
    if (!all_finite(adapted)) {
      throw Error(Fault::non_finite, "adapting went out of bounds", task.dataset->name,
                  "Lower method.eval_rate, or look for odd texts.");
    }
    const double accuracy = support_accuracy(*stage.method, adapted, task, context);

    Lineage lineage = Lineage::load(trained.read("lineage"));
    lineage.add("adapted", task.dataset->name, texts.store().text_digests(Split::train));
    std::map<std::string, Archive> sections;
    for (const auto& [name, value] : adapted) sections["theta"].put(name, value);
    sections["lineage"] = lineage.save();
    sections["task"].put_text("task", task_json(*task.dataset));
    const std::string config = stage.resolved().to_toml();
    sections["progress"].put_text("config", config);
    std::map<std::string, Archive> shared;
    shared["model"] = stage.pretrained.to_archive(stage.pretrained.weights);
    fs::create_directories(options.out);
    CheckpointFolder folder(fs::path(options.out) / "checkpoints", {}, hex(digest(config)));
    folder.save(trained.step(), sections, shared);
    folder.finish();
    replace_file(fs::path(options.out) / "config.toml", config);
    fmt::print("adapted to {} classes from {} texts (accuracy on them {:.0f} %): {}\n",
               task.classes.size(), task.support.size(), 100 * accuracy, options.out);
    fmt::print("label new texts with: metaloom predict {} data=FILE.jsonl\n",
               typed_path(options.out));
  }
};

const Register<Verb> here{"adapt", "adapt a trained stage to a few labelled texts",
                          [] { return std::make_unique<Adapt>(); }};

}  // namespace
}  // namespace metaloom
