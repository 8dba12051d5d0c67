// metaloom adapt: a few labelled texts -> a checkpoint that `predict` labels new texts with.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "core/digest.h"
#include "core/error.h"
#include "core/files/files.h"
#include "core/log/log.h"
#include "core/registry.h"
#include "core/spelling.h"
#include "launcher/process/machine.h"
#include "launcher/stage/assembly.h"
#include "launcher/texts/user_texts.h"
#include "launcher/verbs/verb.h"
#include "methods/labels.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

struct AdaptOptions {
  std::string data, format, out = "runs/adapted";
  UserColumns columns;
  void fields(Fields& f) {
    f.text("data", data,
           "JSON Lines, CSV or TSV, also gzipped, a few rows per class; -: standard input");
    f.text("format", format, "jsonl, csv or tsv, where the name of the data does not tell");
    f.text("out", out, "folder of the adapted checkpoint");
    columns.fields(f);
  }
};

constexpr const char* kLabelWords = "label_words";

/// What is typed of label_words, which may name classes of any letters: the tools read it.
std::vector<std::string> take_label_words(Arguments& arguments) {
  std::vector<std::string> out;
  for (auto* words : {&arguments.assignments, &arguments.targets}) {
    std::erase_if(*words, [&](const std::string& word) {
      const bool is_one = word.starts_with(std::string(kLabelWords) + "=") ||
                          word.starts_with(std::string(kLabelWords) + ".");
      if (is_one) out.push_back(word);
      return is_one;
    });
  }
  return out;
}

/// The verb's own keys, and all others, which are the stage's.
std::pair<Table, std::vector<std::string>> sorted_keys(Arguments arguments) {
  AdaptOptions options;
  const std::vector<std::string> own = write_fields(options).keys();
  for (std::string& word : arguments.assignments) {
    const std::string key = word.substr(0, word.find('='));
    if (std::find(own.begin(), own.end(), key) != own.end()) word.insert(0, "adapt.");
  }
  return own_assignments(arguments, "adapt");
}

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
std::unique_ptr<UserTexts> texts_for(const StageConfig& config, UserRows rows) {
  const Assembly stage(config, std::vector<const DatasetInfo*>{});
  if (!stage.method->adapts()) {
    throw Error(Fault::usage, fmt::format("{} does not adapt to a few texts", config.method_name),
                config.run.init,
                "Give a stage trained by metaprompting, such as RUN/2_metaprompting.");
  }
  rows.max_tokens = config.data.task.max_length;
  return std::make_unique<UserTexts>(rows, stage.pretrained.tokenizer_json);
}

double support_accuracy(const Assembly& stage, const Params& theta, const Task& task,
                        std::int64_t step) {
  const at::Tensor scores = scores_of(stage, theta, *task.dataset, task.support, step);
  return accuracy_of(scores, labels_of(task.support, scores.device()));
}

class Adapt final : public Verb {
 public:
  std::string help() const override {
    AdaptOptions options;
    return "metaloom adapt STAGE data=FILE [key=value ...]\n\n"
           "Adapts a trained stage to a new task given by a few labelled texts, and writes the\n"
           "adapted checkpoint. STAGE: a trained stage's folder; its method must adapt. Keys of\n"
           "the stage may be given, too, such as method.eval_rate; method.graph_memory bounds how\n"
           "many texts are taken at once.\n\n"
           "Class names should be words: the model reads them. Others are given words by\n"
           "  label_words.spam=\"junk mail\"              one class by its name, or\n"
           "  label_words='{\"C++\" = \"see plus plus\"}'  a TOML table, for any names, or\n"
           "  label_words=FILE.toml                    such a table in a file (or FILE.json)\n\n" +
           describe_fields(options, "") +
           "\nExample\n"
           "  metaloom adapt runs/quickstart/2_metaprompting data=mine.jsonl out=runs/mine\n"
           "  metaloom predict runs/mine data=new.jsonl\n";
  }

  std::string memory_cure() const override {
    return "Lower method.graph_memory, or give fewer or shorter texts.";
  }

  int run(const Arguments& arguments) const override {
    Arguments rest = arguments;
    const std::vector<std::string> label_words = take_label_words(rest);
    const fs::path folder = only_target(rest, "adapt", "the folder of a trained stage");
    const auto [own, others] = sorted_keys(rest);
    AdaptOptions options;
    read_fields(own, "", options);
    if (options.data.empty()) {
      throw Error(Fault::usage, "metaloom adapt needs data=FILE.jsonl", "command line",
                  "See metaloom adapt --help.");
    }
    check_out(options.out);
    const StageConfig config = stage_in(folder, others);
    const auto texts = texts_for(config, {.data = options.data,
                                          .format = options.format,
                                          .columns = options.columns,
                                          .labelled = true,
                                          .label_words = label_words});
    Assembly stage(config, {&texts->info()});
    write(stage, *texts, *stage.init, options);
    return 0;
  }

 private:
  static void write(Assembly& stage, const UserTexts& texts, const Checkpoint& trained,
                    const AdaptOptions& options) {
    std::map<std::string, Archive> shared;
    shared["model"] = stage.pretrained.to_archive(stage.pretrained.weights);
    stage.lower_precision_if_it_pays();
    const Task task = texts.support();
    const StepContext context = stage.context(trained.step());
    const Params adapted = stage.method->adapt(stage.theta->values(), task, context);
    if (!all_finite(adapted)) {
      throw Error(Fault::non_finite, "adapting went out of bounds", task.dataset->name,
                  "Lower method.eval_rate, or look for odd texts.");
    }
    const double accuracy = support_accuracy(stage, adapted, task, trained.step());

    Lineage lineage = Lineage::load(trained.read("lineage"));
    lineage.add("adapted", task.dataset->name, texts.text_digests());
    std::map<std::string, Archive> sections;
    for (const auto& [name, value] : adapted) sections["theta"].put(name, value);
    sections["lineage"] = lineage.save();
    sections["task"].put_text("task", UserTask{*task.dataset, options.columns}.to_json());
    const std::string config = stage.resolved().to_toml();
    sections["progress"].put_text("config", config);
    fs::create_directories(options.out);
    CheckpointFolder folder(own_disk(), own_clock(), fs::path(options.out) / "checkpoints", {},
                            hex(digest(config)));
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
