// metaloom export: a checkpoint or a model archive -> a Hugging Face folder.
#include <array>
#include <filesystem>
#include <string_view>

#include <fmt/format.h>

#include "checkpoints/checkpoint.h"
#include "core/config/fields.h"
#include "core/error.h"
#include "core/registry.h"
#include "launcher/process/machine.h"
#include "launcher/process/python.h"
#include "launcher/verbs/verb.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

enum class Stored { fp32, fp16, bf16 };
constexpr std::array<std::string_view, 3> words_of(Stored) {
  return {"fp32", "fp16", "bf16"};
}

struct ExportOptions {
  std::string out, head;
  Stored precision = Stored::fp32;
  double shard = 5;
  bool overwrite = false;
  void fields(Fields& f) {
    f.text("out", out, "the folder to write; it may not hold anything");
    f.text("head", head,
           "a data set's head of muppet, as a classification model (choice: the one of multiple "
           "choice); mlm: with the MLM head, the default where there is one; none: the body alone; "
           "all: every weight there is");
    f.choice("precision", precision, "how weights are stored");
    f.real("shard", shard, "the most that one file of weights holds, in GB", {1e-6, 1e6});
    f.flag("overwrite", overwrite, "replace a model's folder that is there");
  }
};

/// The archive itself, or a checkpoint of which every digest was checked.
std::string verified(const fs::path& target) {
  if (fs::is_regular_file(target)) return target.string();
  return Checkpoint::open(own_disk(), resolve_checkpoint(own_disk(), target)).folder().string();
}

class Export final : public Verb {
 public:
  std::string help() const override {
    ExportOptions options;
    return "metaloom export CHECKPOINT out=FOLDER [key=value ...]\n\n"
           "Writes a Hugging Face folder (safetensors, config, tokenizer, model card) that\n"
           "transformers loads. CHECKPOINT: a run, a stage, a checkpoint, a folder written by\n"
           "metaloom adapt, or a model archive. What transformers has no place for, such as a "
           "soft\n"
           "prompt, lies beside the model in metaloom.safetensors.\n\n"
           "A head of muppet becomes a classification model where it reads the first position\n"
           "(method.state=cls) and transformers has a class with its layers: BERT's, RoBERTa's "
           "and\n"
           "their kin's. DistilBERT, and ELECTRA with embeddings as wide as its layers, become "
           "BERT,\n"
           "which they are under other names.\n\n" +
           describe_fields(options, "") +
           "\nExample\n"
           "  metaloom export runs/quickstart/1_muppet out=exported\n"
           "  metaloom export runs/first/1_muppet out=topics head=trec precision=bf16\n";
  }

  int run(const Arguments& arguments) const override {
    const fs::path target = only_target(arguments, "export", "a run, a checkpoint or an archive");
    Table table;
    for (const std::string& assignment : arguments.assignments) table.assign(assignment);
    ExportOptions options;
    read_fields(table, "", options);
    if (options.out.empty()) {
      throw Error(Fault::usage, "metaloom export needs out=FOLDER", "command line",
                  "See metaloom export --help.");
    }
    std::vector<std::string> words{
        verified(target),
        "--out=" + options.out,
        "--head=" + options.head,
        "--precision",
        std::string(words_of(options.precision)[static_cast<std::size_t>(options.precision)]),
        fmt::format("--shard-gb={}", options.shard)};
    if (options.overwrite) words.emplace_back("--overwrite");
    return run_python("tools.export", words);
  }
};

const Register<Verb> here{"export", "write a trained model as a Hugging Face folder",
                          [] { return std::make_unique<Export>(); }};

}  // namespace
}  // namespace metaloom
