// metaloom report: a run folder -> report.html (and TensorBoard files on request).
#include "core/config/fields.h"
#include "core/registry.h"
#include "launcher/process/python.h"
#include "launcher/verbs/verb.h"

namespace metaloom {
namespace {

struct ReportOptions {
  std::string out;
  std::string tensorboard;
  void fields(Fields& f) {
    f.text("out", out, "the HTML file; default RUN/report.html");
    f.text("tensorboard", tensorboard, "also write TensorBoard event files into this folder");
  }
};

class Report final : public Verb {
 public:
  std::string help() const override {
    ReportOptions options;
    return "metaloom report RUN [key=value ...]\n\n"
           "Writes a self-contained page of a run: curves, tables, intervals, gates; prints the\n"
           "table of gains.\n\n" +
           describe_fields(options, "") + "\nExample\n  metaloom report runs/quickstart\n";
  }

  int run(const Arguments& arguments) const override {
    const std::string run = only_target(arguments, "report", "a run folder");
    Table table;
    for (const std::string& assignment : arguments.assignments) table.assign(assignment);
    ReportOptions options;
    read_fields(table, "", options);
    std::vector<std::string> words{run};
    if (!options.out.empty()) words.insert(words.end(), {"--out", options.out});
    const int code = run_python("tools.report", words);
    if (code != 0 || options.tensorboard.empty()) return code;
    return run_python("tools.tensorboard", {run, "--out", options.tensorboard});
  }
};

const Register<Verb> here{"report", "write a run's report",
                          [] { return std::make_unique<Report>(); }};

}  // namespace
}  // namespace metaloom
