// metaloom show: an episode or a batch as text, so that a person sees what the model sees.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <utility>

#include "core/registry.h"
#include "launcher/stage/assembly.h"
#include "launcher/verbs/verb.h"
#include "sampler/families/family_traits.h"

namespace metaloom {
namespace {

struct ShowOptions {
  std::int64_t step = 0, rows = 20;
  std::string stage;
  void fields(Fields& f) {
    f.integer("step", step, "the update whose tasks are shown", {0});
    f.integer("rows", rows, "rows shown of a batch", {1});
    f.text("stage", stage, "which stage; default: the first");
  }
};

/// The right answer to a row, as a person reads it.
std::string answer_of(const Tokenizer& tokenizer, const Task& task, const Example& row) {
  const Target& target = row.target;
  switch (traits_of(*task.dataset).target) {
    case TargetKind::label:
      return target.label < 0 ? "?" : task.dataset->labels.at(task.classes.at(target.label));
    case TargetKind::choice:
      return target.label < 0 ? "?" : fmt::format("{}", target.label);
    case TargetKind::span:
      return fmt::format("{}..{}", target.start, target.end);
    case TargetKind::number:
      return fmt::format("{:g}", target.value);
    case TargetKind::tokens:
      return tokenizer.words_of({target.tokens.begin(), target.tokens.end()});
  }
  return "?";
}

void print_rows(const Assembly& stage, const Task& task, bool support, std::int64_t limit) {
  const Batch batch = stage.method->batch({task}, support);
  const auto& examples = support ? task.support : task.query;
  // Multiple choice: several rows an example.
  const std::int64_t each = batch.rows() / static_cast<std::int64_t>(examples.size());
  for (std::int64_t r = 0; r < std::min(limit, batch.rows()); ++r) {
    std::vector<std::int64_t> ids;  // since the last soft token
    std::string text;
    const auto words = [&](const std::vector<std::int64_t>& some) {
      return some.empty() ? "" : stage.pretrained.tokenizer->words_of(some) + " ";
    };
    for (std::int64_t l = 0; l < batch.length_R[r].item<std::int64_t>(); ++l) {
      const bool soft = batch.slot_RL.defined() && batch.slot_RL[r][l].item<std::int64_t>() >= 0;
      if (soft) {
        text += words(std::exchange(ids, {}));
        text += fmt::format("<{}> ", batch.slot_RL[r][l].item<std::int64_t>());
      } else {
        ids.push_back(batch.ids_RL[r][l].item<std::int64_t>());
      }
    }
    const Example& example =
        examples[std::min<std::size_t>(r / std::max<std::int64_t>(1, each), examples.size() - 1)];
    fmt::print("    {:<28} {}\n", answer_of(*stage.pretrained.tokenizer, task, example),
               text + words(ids));
  }
}

class Show final : public Verb {
 public:
  std::string help() const override {
    ShowOptions options;
    return "metaloom show CONFIG.toml [key=value ...]\n\n"
           "Prints the tasks of one update: for each, the rows exactly as the model sees them\n"
           "(<0>, <1>, ...: soft tokens), with their labels.\n\n" +
           describe_fields(options, "show") +
           "\nExample\n  metaloom show configs/quickstart.toml show.stage=2_metaprompting\n";
  }

  int run(const Arguments& arguments) const override {
    const auto [own, others] = own_assignments(arguments, "show");
    ShowOptions options;
    read_fields(own, "show", options);
    const auto [stages, notes] =
        load_run(only_target(arguments, "show", "a configuration file"), others);
    for (const std::string& note : notes) fmt::print("{}\n", note);
    const StageConfig& config = stage_called(stages, options.stage);
    const Assembly stage(config, at::kCPU, model_planned(stages, config));
    const Phase phase = stage.method->phase(options.step);
    fmt::print("{}  update {}  phase {}\n", config.name, options.step, phase.name);
    for (const Pack& pack : stage.mix->plan(phase.draw, phase.half)) {
      for (const TaskId& id : pack.tasks) {
        const Task task = stage.mix->draw(id);
        fmt::print("\npack {}  {} task {} (pass {})\n", pack.index, task.dataset->name, id.index,
                   id.pass);
        if (!task.support.empty()) {
          fmt::print("  support\n");
          print_rows(stage, task, true, options.rows);
          fmt::print("  query\n");
        }
        print_rows(stage, task, false, options.rows);
      }
    }
    return 0;
  }
};

const Register<Verb> here{"show", "print an episode or a batch as the model sees it",
                          [] { return std::make_unique<Show>(); }};

}  // namespace
}  // namespace metaloom
