// metaloom data: texts -> token stores.
#include "core/config/fields.h"
#include "core/registry.h"
#include "launcher/process/python.h"
#include "launcher/verbs/verb.h"

namespace metaloom {
namespace {

struct DataOptions {
  std::string out = ".cache/stores";
  std::string tokenizer = ".cache/models/minilm-mlm.h5";
  std::string root;
  std::vector<std::string> only;
  void fields(Fields& f) {
    f.text("out", out, "folder of the token stores");
    f.text("tokenizer", tokenizer, "tokenizer.json, or a model archive, whose tokenizer is taken");
    f.text("root", root, "where the files lie, in place of the description's root");
    f.texts("only", only, "datasets to prepare; empty: all");
  }
};

class Data final : public Verb {
 public:
  std::string help() const override {
    DataOptions options;
    return "metaloom data DESCRIPTION.toml [key=value ...]\n\n"
           "Tokenises the datasets of a description (JSON Lines, CSV, TSV, Hugging Face datasets)\n"
           "into token stores; unchanged ones are skipped. The format of a description:\n"
           "docs/data.md.\n\n" +
           describe_fields(options, "") +
           "\nExample\n  metaloom data data/quickstart.toml out=.cache/quickstart\n";
  }

  int run(const Arguments& arguments) const override {
    const std::string description = only_target(arguments, "data", "a dataset description");
    Table table;
    for (const std::string& assignment : arguments.assignments) table.assign(assignment);
    DataOptions options;
    read_fields(table, "", options);
    std::vector<std::string> words{"prepare",   description,   "--out",
                                   options.out, "--tokenizer", options.tokenizer};
    if (!options.root.empty()) words.insert(words.end(), {"--root", options.root});
    std::string only;
    for (const std::string& name : options.only) only += (only.empty() ? "" : ",") + name;
    if (!only.empty()) words.insert(words.end(), {"--only", only});
    return run_python("tools.data", words);
  }
};

const Register<Verb> here{"data", "tokenise datasets into token stores",
                          [] { return std::make_unique<Data>(); }};

}  // namespace
}  // namespace metaloom
