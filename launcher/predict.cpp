// metaloom predict: labels for new texts, from an adapted checkpoint.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <fstream>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/log.h"
#include "core/registry.h"
#include "core/spelling.h"
#include "launcher/assembly.h"
#include "launcher/user_texts.h"
#include "launcher/verb.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kRowsAtOnce = 64;

struct PredictOptions {
  std::string data, out;
  void fields(Fields& f) {
    f.text("data", data, "JSON Lines with \"text\"");
    f.text("out", out, "where to write the lines with their labels; default: standard output");
  }
};

/// The lines of a JSON Lines file that hold something, in order.
std::vector<Json> lines_of(const fs::path& file) {
  std::vector<Json> out;
  std::ifstream in(file);
  std::int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    out.push_back(parse_json(line, fmt::format("{}:{}", file.string(), number)));
  }
  return out;
}

/// Log-probabilities [n, N] of all texts.
at::Tensor score_all(const Assembly& stage, const DatasetInfo& info, const UserTexts& texts,
                     std::int64_t step) {
  std::vector<at::Tensor> scores;
  for (std::int64_t first = 0; first < texts.rows(); first += kRowsAtOnce) {
    Task task = task_over(info);
    for (std::int64_t row = first; row < std::min(texts.rows(), first + kRowsAtOnce); ++row) {
      task.query.push_back(texts.store().example(Split::train, row));
    }
    scores.push_back(stage.method->scores(stage.theta->values(), task, stage.context(step)));
  }
  return at::cat(scores).to(at::kCPU, at::kDouble);
}

class Predict final : public Verb {
 public:
  std::string help() const override {
    PredictOptions options;
    return "metaloom predict ADAPTED data=FILE.jsonl [key=value ...]\n\n"
           "Adds \"predicted\" and \"probability\" to every line. Where lines carry a \"label\", "
           "the\n"
           "accuracy is printed as well. ADAPTED: a folder written by metaloom adapt.\n\n" +
           describe_fields(options, "") +
           "\nExample\n  metaloom predict runs/mine data=new.jsonl out=labelled.jsonl\n";
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
    if (fs::path(options.data).extension() != ".jsonl") {
      throw Error(Fault::usage, "predict adds to the lines of a JSON Lines file", options.data,
                  "Write one {\"text\": ...} a line into a file that ends in .jsonl.");
    }
    const Checkpoint checkpoint = Checkpoint::open(resolve_checkpoint(folder));
    if (!checkpoint.contains("task")) {
      throw Error(
          Fault::usage, "this checkpoint knows no task of its own", folder.string(),
          "Adapt it first: metaloom adapt " + typed_path(folder.string()) + " data=FILE.jsonl");
    }
    const DatasetInfo info =
        parse_task_json(checkpoint.read("task").text("task"), checkpoint.folder().string());
    StageConfig config = load_stages(folder / "config.toml", {}).front();
    config.run.init = folder.string();
    const Assembly stage(config, {&info});
    const UserTexts texts(options.data, stage.pretrained, false);
    const at::Tensor scores = score_all(stage, info, texts, checkpoint.step());
    if (scores.isnan().any().item<bool>()) {
      throw Error(Fault::non_finite, "the scores are no numbers", folder.string(),
                  "Adapt again with a lower method.eval_rate.");
    }
    write(scores, info, texts.store(), options);
    return 0;
  }

 private:
  static void write(const at::Tensor& scores, const DatasetInfo& info, const TokenStore& given,
                    const PredictOptions& options) {
    std::vector<Json> lines = lines_of(options.data);
    std::string text;
    std::int64_t labelled = 0, right = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const at::Tensor row = scores[static_cast<std::int64_t>(i)];
      const auto best = row.argmax().item<std::int64_t>();
      const std::string& label = info.labels.at(best);
      lines[i]["predicted"] = label;
      lines[i]["probability"] = row[best].exp().item<double>();
      const Example example = given.example(Split::train, static_cast<std::int64_t>(i));
      if (example.label >= 0) {
        ++labelled;
        right += given.info().labels.at(example.label) == label ? 1 : 0;
      }
      text += lines[i].dump() + "\n";
    }
    if (options.out.empty()) {
      fmt::print("{}", text);
    } else {
      replace_file(options.out, text);
      fmt::print("{} texts labelled: {}\n", lines.size(), options.out);
    }
    if (labelled > 0) {
      say(fmt::format("accuracy {:.1f} % ({} of {} lines with a label)\n",
                      100.0 * static_cast<double>(right) / static_cast<double>(labelled), right,
                      labelled));
    }
  }
};

const Register<Verb> here{"predict", "label new texts with an adapted checkpoint",
                          [] { return std::make_unique<Predict>(); }};

}  // namespace
}  // namespace metaloom
