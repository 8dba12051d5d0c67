// SPT, Selective Prompt Tuning (Zhu & Tan 2023, arXiv 2310.20127): the backbone and
// its MLM head are frozen; prompt generators at every layer are trained together with gates that
// say which of them matter; the layers with the largest gates are retrained alone. Choices where
// the paper is not recovered, all of them options or told here:
//   - consistency (4.4): the task loss is taken without masks, L_c between the [MASK] states with
//     and without; both enter both levels; one mask a step, the same for all tasks and ranks;
//   - there are N + 1 gates for N layers, as in the paper. Prompt rows behind the last layer cannot
//     reach the [MASK] state, so position N has no generator and is never selected. Its gate has
//     g = 0 and takes part in the competition as the reference: gates below it are of less use
//     than rows that nobody sees;
//   - the final net's generators start anew; soft tokens, where the template has any, keep still
//     during the search and are trained with the final net.
// Legend: R rows, D width, V vocabulary, C classes.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/registry.h"
#include "methods/cloze/soft_prompt.h"
#include "methods/cloze/template.h"
#include "methods/cloze/verbaliser.h"
#include "methods/labels.h"
#include "methods/method.h"
#include "methods/spt/net.h"
#include "methods/spt/plan.h"
#include "methods/task_by_task.h"
#include "sampler/families/family_traits.h"

namespace metaloom {
namespace {

class Spt final : public Method, public Classifier {
 public:
  Spt(const Table& section, const Ingredients& in)
      : pretrained_(in.pretrained),
        rng_(in.rng.at("spt")),
        plan_(section, in),
        max_length_(max_length_of(in)),
        frame_(plan_.options().words, in.pretrained, max_length_),
        pieces_(checked(in.datasets),
                {plan_.options().label_pieces,
                 frame_.answer_begins() ? in.pretrained.tokenizer.get() : nullptr}),
        net_(pretrained_, plan_, pieces_) {
    require_mlm_head(pretrained_);
  }

  void fields(Fields& f) override { plan_.options().fields(f); }
  Params initial() const override;
  std::vector<ParameterGroup> groups(const Params& theta) const override;
  Phase phase(std::int64_t step) const override;
  std::vector<TaskOutcome> gradients(const Params& theta, const std::vector<Task>& pack,
                                     const StepContext& context, GradientSink& sink) const override;
  const Classifier* classifier(const DatasetInfo&) const override { return this; }
  at::Tensor scores(const Params& theta, const Task& task,
                    const StepContext& context) const override;
  std::map<std::string, std::vector<double>> watch(const Params& theta) const override;
  Params model(const Params& theta) const override { return overlaid(pretrained_.weights, theta); }
  Cost cost(const std::vector<TaskShape>& pack) const override;
  Batch batch(const std::vector<Task>& pack, bool support) const override;

 private:
  static const std::vector<const DatasetInfo*>& checked(
      const std::vector<const DatasetInfo*>& datasets);
  Batch framed(const Task& task) const;
  std::vector<std::string> trained(const Params& theta, std::int64_t step) const;

  const Pretrained& pretrained_;
  Rng rng_;
  SptPlan plan_;
  std::int64_t max_length_;
  Template frame_;
  ClassPieces pieces_;
  SptNet net_;
};

const std::vector<const DatasetInfo*>& Spt::checked(
    const std::vector<const DatasetInfo*>& datasets) {
  for (const DatasetInfo* dataset : datasets) {
    const FamilyTraits traits = traits_of(*dataset);
    if (traits.target == TargetKind::label && !traits.episodes) continue;
    throw Error(
        Fault::usage, fmt::format("spt cannot learn from the family \"{}\"", dataset->family),
        fmt::format("dataset {}", dataset->name), "Use datasets of the family classification.");
  }
  return datasets;
}

Params Spt::initial() const {
  Params theta;
  if (plan_.searches()) {
    theta.set(kGates, at::zeros({plan_.positions() + 1}, pretrained_.options()));
    for (std::int64_t i = 0; i < plan_.positions(); ++i) {
      theta = theta.merged_with(
          plan_.generator().initial(search_prefix(i), rng_, pretrained_.options()));
    }
  }
  for (std::int64_t k = 0; k < plan_.final_layers(); ++k) {
    theta =
        theta.merged_with(plan_.generator().initial(final_prefix(k), rng_, pretrained_.options()));
  }
  if (frame_.soft_tokens() > 0) {
    const SoftPrompt noise{.tokens = frame_.soft_tokens(), .start = SoftStart::random};
    theta.set(kSoftPrompt, initial_soft_PD(noise, pretrained_, rng_));
  }
  return theta;
}

std::vector<ParameterGroup> Spt::groups(const Params& theta) const {
  const auto starting_with = [&](std::string_view prefix) {
    return theta.select([&](std::string_view name) { return name.starts_with(prefix); }).names();
  };
  std::vector<ParameterGroup> out =
      groups_by_decay("final", starting_with("final."), GeneratorShape::decays);
  if (plan_.searches()) {
    for (ParameterGroup& group :
         groups_by_decay("search", starting_with("search."), GeneratorShape::decays)) {
      out.push_back(std::move(group));
    }
    out.push_back({.name = "gates",
                   .parameters = {kGates},
                   .rate_scale = plan_.options().gate_rate,
                   .decay = plan_.options().gate_decay,
                   .beta1 = plan_.options().gate_beta1});
  }
  if (frame_.soft_tokens() > 0)
    out.push_back({.name = "soft", .parameters = {kSoftPrompt}, .decay = 0.0});
  return out;
}

Phase Spt::phase(std::int64_t step) const {
  if (!plan_.searches(step)) {
    Phase retrain{.name = "retrain", .groups = {"final", "final-undecayed"}};
    if (frame_.soft_tokens() > 0) retrain.groups.push_back("soft");
    // As a run of its own: layers that were searched and layers that were given train alike.
    retrain.first = plan_.search_steps();
    retrain.updates = plan_.steps() - retrain.first;
    retrain.draw = step - retrain.first;
    return retrain;
  }
  Phase search{.name = "weights", .half = Half::first, .groups = {"search", "search-undecayed"}};
  if (plan_.gates_turn(step)) search = {.name = "gates", .half = Half::second, .groups = {"gates"}};
  search.updates = plan_.search_steps();
  search.draw = step / 2;
  return search;
}

std::vector<std::string> Spt::trained(const Params& theta, std::int64_t step) const {
  const std::vector<std::string> groups = phase(step).groups;
  std::vector<std::string> names;
  for (const ParameterGroup& group : this->groups(theta)) {
    if (std::find(groups.begin(), groups.end(), group.name) == groups.end()) continue;
    names.insert(names.end(), group.parameters.begin(), group.parameters.end());
  }
  return names;
}

Batch Spt::framed(const Task& task) const {
  std::vector<const Example*> rows;
  for (const Example& row : task.query) rows.push_back(&row);
  return frame_.frame(rows, 1).on(pretrained_.device);
}

std::vector<TaskOutcome> Spt::gradients(const Params& theta, const std::vector<Task>& pack,
                                        const StepContext& context, GradientSink& sink) const {
  const std::vector<std::string> names = trained(theta, context.step);
  const auto leaves_of = [&](const Task&) {
    Params leaves;
    for (const std::string& name : names) leaves.set(name, theta.at(name));
    return leaves.leaves();
  };
  return gradients_task_by_task(pack, sink, leaves_of, [&](const Task& task, const Params& leaves) {
    const Params mixed = theta.merged_with(leaves);
    const Batch batch = framed(task);
    const Rng drops = context.of(task.id).at("prompt dropout");
    const PromptDropout dropout{&drops, plan_.options().dropout};
    const SptNet::Loss loss = plan_.searches(context.step)
                                  ? net_.search_loss(mixed, task, batch, context.rng, dropout)
                                  : net_.final_loss(mixed, task, batch, dropout);
    const at::Tensor label_Q = labels_of(task.query, loss.scores_RC.device());
    TaskLoss out{.total = loss.total,
                 .tokens = batch.tokens,
                 .metrics = {{"accuracy", kShare, accuracy_of(loss.scores_RC, label_Q)}}};
    if (loss.apart.defined()) {
      out.metrics.push_back({"consistency", kMean, loss.apart.item<double>()});
    }
    return out;
  });
}

at::Tensor Spt::scores(const Params& theta, const Task& task, const StepContext& context) const {
  const c10::NoGradGuard no_grad;
  const Batch batch = framed(task);
  return plan_.searches(context.step) ? net_.search_scores_RC(theta, task, batch)
                                      : net_.final_scores_RC(theta, task, batch);
}

std::map<std::string, std::vector<double>> Spt::watch(const Params& theta) const {
  std::map<std::string, std::vector<double>> out;
  const std::vector<int> layers = plan_.layers(theta);
  out["selected"].assign(layers.begin(), layers.end());
  if (plan_.searches()) {
    const at::Tensor a = theta.at(kGates).detach().sigmoid().to(at::kCPU, at::kDouble).contiguous();
    out["gates"].assign(a.data_ptr<double>(), a.data_ptr<double>() + a.numel());
  }
  return out;
}

Cost Spt::cost(const std::vector<TaskShape>& pack) const {
  // A gradient is two forward passes: frozen weights have none. The search runs every row twice.
  const std::int64_t copies = plan_.searches() && plan_.options().consistency > 0 ? 2 : 1;
  Cost sum;
  for (const TaskShape& shape : pack) {
    const std::int64_t rows = copies * shape.query_rows;
    const std::int64_t text = std::min(shape.longest + frame_.frame_tokens(), max_length_);
    const Pass pass{.rows = rows,
                    .length = text + plan_.options().prompt_rows,
                    .head_rows = rows,
                    .head_ids = 16};
    sum = in_turn(sum, pretrained_.gradient_cost(pass, 2));
  }
  return sum;
}

Batch Spt::batch(const std::vector<Task>& pack, bool) const {
  if (pack.size() != 1) throw Error(Fault::internal, "spt runs one task a pass", "batch");
  return framed(pack.front());
}

const Register<Method> here{"spt", "selective prompt tuning: learns at which layers prompts belong",
                            [](const Table& section, const Ingredients& ingredients) {
                              return std::make_unique<Spt>(section, ingredients);
                            }};
const Register<MethodOptions> options_of{"spt", "", defaults_of<SptOptions>};

}  // namespace
}  // namespace metaloom
