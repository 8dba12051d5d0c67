// metaloom predict: labels for new texts, from an adapted checkpoint, as they arrive.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "core/log/log.h"
#include "core/registry.h"
#include "core/spelling.h"
#include "launcher/process/machine.h"
#include "launcher/stage/assembly.h"
#include "launcher/texts/labelled_lines.h"
#include "launcher/texts/user_texts.h"
#include "launcher/verbs/verb.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

struct PredictOptions {
  std::string data, format, out;
  UserColumns columns;
  void fields(Fields& f) {
    f.text("data", data, "JSON Lines, CSV or TSV, also gzipped; -: standard input");
    f.text("format", format, "jsonl, csv or tsv, where the name of the data does not tell");
    f.text("out", out,
           "where to write the lines with their labels, packed if it ends in .gz; default: "
           "standard output");
    columns.fields(f);
  }
};

/// How many of the given labels were right.
class Tally {
 public:
  void see(const UserRow& row, const std::string& predicted,
           const std::vector<std::string>& known) {
    ++rows_;
    if (row.given == UserRow::Label::none) return;
    const bool is_known = row.given == UserRow::Label::given &&
                          std::find(known.begin(), known.end(), row.label) != known.end();
    if (is_known) {
      ++known_;
      right_ += row.label == predicted ? 1 : 0;
    } else {
      ++unknown_;
    }
  }
  std::int64_t rows() const { return rows_; }

  void print(const std::string& column, bool asked_for) const {
    if (known_ > 0) {
      say(fmt::format("accuracy {:.1f} % ({} of {} lines with a label)\n",
                      100.0 * static_cast<double>(right_) / static_cast<double>(known_), right_,
                      known_));
    }
    if (unknown_ > 0) {
      say(fmt::format("{} lines carry labels that the model does not know\n", unknown_));
    }
    if (asked_for && known_ + unknown_ == 0) {
      say(fmt::format("no line carries a label in the column \"{}\"\n", column));
    }
  }

 private:
  std::int64_t rows_ = 0, known_ = 0, right_ = 0, unknown_ = 0;
};

class Predict final : public Verb {
 public:
  std::string help() const override {
    PredictOptions options;
    return "metaloom predict ADAPTED data=FILE [key=value ...]\n\n"
           "Adds \"predicted\" and \"probability\" to every line, or row of a table, and leaves "
           "all\n"
           "else of it as it is. Lines are labelled as they arrive, in bounded memory. Where they\n"
           "carry a label, the accuracy is printed as well. ADAPTED: a folder written by metaloom\n"
           "adapt, which remembers the columns that it was told of.\n\n" +
           describe_fields(options, "") +
           "\nExample\n"
           "  metaloom predict runs/mine data=new.jsonl out=labelled.jsonl\n"
           "  tail -f new.jsonl | metaloom predict runs/mine data=-\n";
  }

  int run(const Arguments& arguments) const override {
    const fs::path folder = only_target(arguments, "predict", "an adapted checkpoint's folder");
    Table table;
    for (const std::string& assignment : arguments.assignments) table.assign(assignment);
    PredictOptions options;
    read_fields(table, "", options);
    if (options.data.empty()) {
      throw Error(Fault::usage, "metaloom predict needs data=FILE.jsonl", "command line",
                  "See metaloom predict --help.");
    }
    const Checkpoint checkpoint =
        Checkpoint::open(own_disk(), resolve_checkpoint(own_disk(), folder));
    if (!checkpoint.contains("task")) {
      throw Error(
          Fault::usage, "this checkpoint knows no task of its own", folder.string(),
          "Adapt it first: metaloom adapt " + typed_path(folder.string()) + " data=FILE.jsonl");
    }
    const UserTask task =
        UserTask::parse(checkpoint.read("task").text("task"), checkpoint.folder().string());
    options.columns = task.columns;
    read_fields(table, "", options);  // what is typed stands over what adapt was told
    StageConfig config = load_stages(folder / "config.toml", {}).front();
    config.run.init = folder.string();
    Assembly stage(config, {&task.info});
    stage.lower_precision_if_it_pays();
    const Tally tally = label(stage, task.info, options, checkpoint.step());
    if (!options.out.empty() && options.out != "-") {
      fmt::print("{} texts labelled: {}\n", tally.rows(), options.out);
    }
    tally.print(options.columns.label, table.contains("label"));
    return 0;
  }

 private:
  static Tally label(const Assembly& stage, const DatasetInfo& info, const PredictOptions& options,
                     std::int64_t step) {
    RowStream rows({.data = options.data,
                    .format = options.format,
                    .columns = options.columns,
                    .max_tokens = stage.config.data.task.max_length},
                   stage.pretrained.tokenizer_json);
    LabelledLines lines(options.out);
    Tally tally;
    for (auto batch = rows.next(); !batch.empty(); batch = rows.next()) {
      lines.begin(rows);
      std::vector<Example> examples;
      examples.reserve(batch.size());
      for (const UserRow& row : batch) examples.push_back(example_of(row, -1));
      const at::Tensor scores = scores_of(stage, stage.theta->values(), info, examples, step);
      if (scores.isnan().any().item<bool>()) {
        throw Error(Fault::non_finite, "the scores are no numbers", stage.config.run.init,
                    "Adapt again with a lower method.eval_rate.");
      }
      const at::Tensor best = scores.argmax(1);
      const at::Tensor probability = scores.gather(1, best.unsqueeze(1)).squeeze(1).exp();
      for (std::size_t i = 0; i < batch.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        const std::string& label = info.labels.at(best[at].item<std::int64_t>());
        lines.write(batch[i], label, probability[at].item<double>());
        tally.see(batch[i], label, info.labels);
      }
      lines.flush();
    }
    rows.finish();
    lines.finish();
    return tally;
  }
};

const Register<Verb> here{"predict", "label new texts with an adapted checkpoint",
                          [] { return std::make_unique<Predict>(); }};

}  // namespace
}  // namespace metaloom
