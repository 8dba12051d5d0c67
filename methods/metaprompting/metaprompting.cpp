// MetaPrompting (Hou et al. 2022, arXiv 2209.11486): a soft prompt, and on request
// the whole model, meta-learned over few-shot episodes by a meta-gradient rule. Classes are told by
// the words of their names at [MASK]. What differs from the release: the soft tokens are free
// vectors (no LSTM before them), one inner run per episode, no dropout.
// Legend: P soft tokens, D width, T tasks, Q query rows, N ways, U words.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>

#include "core/registry.h"
#include "methods/metaprompting/cloze_pack.h"
#include "methods/metaprompting/options.h"
#include "methods/method.h"

namespace metaloom {
namespace {

constexpr std::int64_t kLabelWords = 16;  // of a pack, for the cost: their share is tiny
constexpr double kGradientGraph = 2.5;    // its memory over a forward pass's (measured: 2.3)

bool in_head_or_encoder(std::string_view name) {
  return !name.starts_with("pooler.");
}

class MetaPrompting final : public Method {
 public:
  MetaPrompting(const Table& section, const Ingredients& ingredients)
      : pretrained_(ingredients.pretrained),
        rng_(ingredients.rng.at("metaprompting")),
        max_length_(max_length_of(ingredients)) {
    read_fields(section, "method", options_);
    options_.check();
    require_mlm_head(pretrained_);
    frame_.emplace(options_.words, *pretrained_.vocabulary, max_length_, true);
    rule_ = Registry<MetaRule>::make(options_.rule);
    if (!full() && frame_->soft_tokens() == 0) {
      throw Error(Fault::usage, "scope = \"prompt\" has nothing to learn: no soft token",
                  fmt::format("template \"{}\"", options_.words),
                  "Write <soft:8> into the template, or set method.scope = \"full\".");
    }
    for (const DatasetInfo* dataset : ingredients.datasets) check(*dataset);
    pieces_.emplace(ingredients.datasets);
    phase_ = {"episodes", Half::all, names_of(groups(initial()))};
  }

  void fields(Fields& f) override { options_.fields(f); }
  Params initial() const override;
  std::vector<ParameterGroup> groups(const Params& theta) const override;
  Phase phase(std::int64_t step) const override {
    Phase phase = phase_;
    phase.draw = step;
    return phase;
  }
  std::vector<TaskOutcome> gradients(const Params& theta, const std::vector<Task>& pack,
                                     const StepContext& context, GradientSink& sink) const override;
  bool adapts() const override { return eval_steps() > 0; }
  Params adapt(const Params& theta, const Task& task, const StepContext& context) const override;
  at::Tensor scores(const Params& theta, const Task& task,
                    const StepContext& context) const override;
  Params model(const Params& theta) const override { return overlaid(pretrained_.weights, theta); }
  Cost cost(const std::vector<TaskShape>& pack) const override;
  Batch batch(const std::vector<Task>& pack, bool support) const override;

 private:
  bool full() const { return options_.scope == "full"; }
  std::int64_t eval_steps() const {
    return options_.eval_steps < 0 ? options_.inner_steps : options_.eval_steps;
  }
  double eval_rate() const {
    return options_.eval_rate < 0 ? options_.inner_rate : options_.eval_rate;
  }
  static void check(const DatasetInfo& dataset);
  at::Tensor soft_start() const;
  Params learned_of(const Params& theta) const;
  InnerProblem inner_problem(const ClozePack& cloze, const Params& learned) const;
  /// Passes over a task's support rows whose graphs fit into graph_memory: how many rows each
  /// takes.
  std::vector<std::int64_t> support_passes(const Task& task) const {
    if (options_.graph_memory == 0) return {std::ssize(task.support)};  // no graph is kept at all
    return passes_within(options_.graph_memory * 0x1p30, frame_->row_tokens(task.support),
                         [this](std::int64_t rows, std::int64_t length) {
                           return forward_cost(rows, length).peak_bytes;
                         });
  }
  Cost forward_cost(std::int64_t rows, std::int64_t length) const {
    return pretrained_.backbone->forward_cost(rows, length, 0, rows, kLabelWords);
  }
  /// How many inner steps may keep their graphs, given a support pass of all tasks.
  std::int64_t kept_graphs(const Cost& support) const {
    const double fit = options_.graph_memory * 0x1p30 / (kGradientGraph * support.peak_bytes);
    return static_cast<std::int64_t>(std::min(fit, static_cast<double>(options_.inner_steps)));
  }

  const Pretrained& pretrained_;
  Rng rng_;
  std::int64_t max_length_;
  MetaPromptingOptions options_;
  std::optional<Template> frame_;
  std::optional<ClassPieces> pieces_;
  std::unique_ptr<MetaRule> rule_;
  Phase phase_;  // there is but one
};

void MetaPrompting::check(const DatasetInfo& dataset) {
  if (dataset.family != "episodes") {
    throw Error(Fault::usage,
                fmt::format("metaprompting learns from episodes, this set's family is \"{}\"",
                            dataset.family),
                fmt::format("dataset {}", dataset.name),
                "Describe it with family = \"episodes\" and splits of disjoint classes.");
  }
}

at::Tensor MetaPrompting::soft_start() const {
  const at::Tensor& table_VD = pretrained_.words_VD();
  const std::int64_t count = frame_->soft_tokens();
  if (options_.soft_init == "random") {  // as large as words are
    return rng_.at("soft")
        .normal_tensor({count, table_VD.size(1)}, table_VD.std().item<double>(),
                       table_VD.scalar_type())
        .to(table_VD.device());
  }
  const auto pieces = pretrained_.vocabulary->pieces_of(options_.soft_words);
  const bool unknown =
      std::find(pieces.begin(), pieces.end(), pretrained_.vocabulary->unknown()) != pieces.end();
  if (pieces.empty() || unknown) {
    throw Error(Fault::usage, "soft_words must be words that the model's vocabulary knows",
                fmt::format("method.soft_words = \"{}\"", options_.soft_words),
                "Choose others, or set method.soft_init = \"random\".");
  }
  std::vector<std::int64_t> ids;
  for (std::int64_t p = 0; p < count; ++p) ids.push_back(pieces[p % pieces.size()]);
  return table_VD.index_select(0, at::tensor(ids, at::kLong).to(table_VD.device()));
}

Params MetaPrompting::initial() const {
  Params theta;
  if (frame_->soft_tokens() > 0) theta.set(kSoftPrompt, soft_start());
  if (!full()) return theta;
  for (const auto& [name, value] : pretrained_.weights)
    if (in_head_or_encoder(name)) theta.set(kModelPrefix + name, value);
  return theta;
}

std::vector<ParameterGroup> MetaPrompting::groups(const Params& theta) const {
  std::vector<ParameterGroup> groups;
  if (theta.contains(kSoftPrompt)) {
    groups.push_back({.name = "prompt", .parameters = {kSoftPrompt}, .decay = 0.0});
  }
  if (!full()) return groups;
  std::vector<std::string> names;
  for (const auto& [name, value] : theta)
    if (name.starts_with(kModelPrefix)) names.push_back(name);
  for (ParameterGroup& group : groups_by_decay("model", theta, names, options_.model_rate_scale))
    groups.push_back(std::move(group));
  return groups;
}

/// What the inner loop adapts and the outer one learns.
Params MetaPrompting::learned_of(const Params& theta) const {
  return theta.select([this](std::string_view name) {
    return name == kSoftPrompt || (full() && name.starts_with(kModelPrefix));
  });
}

InnerProblem MetaPrompting::inner_problem(const ClozePack& cloze, const Params& learned) const {
  InnerProblem problem;
  for (std::size_t part = 0; part < cloze.parts(); ++part) {
    problem.support_losses.push_back(
        [&cloze, part](const Params& phi, std::int64_t, Derivatives derivatives) {
          const bool twice = derivatives == Derivatives::twice;
          return cloze.support_losses_T(phi, twice ? Attention::math : Attention::fused, part);
        });
  }
  problem.query_loss = [&cloze](const Params& phi, std::int64_t) {
    return cloze.query_losses_T(cloze.query_logits_RN(phi));
  };
  problem.steps = options_.inner_steps;
  const at::IntArrayRef support = cloze.support(0).ids_RL.sizes();
  problem.kept_graphs = kept_graphs(forward_cost(support[0], support[1]));
  problem.rate = options_.inner_rate;
  for (const auto& [name, value] : learned)
    if (name.starts_with(kModelPrefix)) problem.rates[name] = options_.model_inner_rate;
  return problem;
}

std::vector<TaskOutcome> MetaPrompting::gradients(const Params& theta,
                                                  const std::vector<Task>& pack, const StepContext&,
                                                  GradientSink& sink) const {
  const Params learned = learned_of(theta);
  const ClozePack cloze(*pretrained_.backbone, model(theta), *frame_, pack, *pieces_);
  InnerProblem problem = inner_problem(cloze, learned);
  at::Tensor accuracy_T;  // read off the logits of the one query pass there is
  problem.query_loss = [&](const Params& phi, std::int64_t) {
    const at::Tensor logits_RN = cloze.query_logits_RN(phi);
    accuracy_T = cloze.query_accuracy_T(logits_RN);
    return cloze.query_losses_T(logits_RN);
  };
  const MetaGradient meta = rule_->run(problem, cloze.fast_weights(learned));

  const at::Tensor finite = finite_T(meta);
  const at::Tensor keep_T = finite.nonzero().squeeze(1).to(meta.query_loss_T.device());
  const Params sums = cloze.summed(meta.gradient, keep_T, learned);
  for (const auto& [name, sum] : sums) sink.add(name, sum);

  std::vector<TaskOutcome> outcomes;
  for (std::size_t t = 0; t < pack.size(); ++t) {
    const auto task = static_cast<std::int64_t>(t);
    TaskOutcome outcome;
    outcome.task = pack[t].id;
    outcome.loss = meta.query_loss_T[task].item<double>();
    outcome.finite = finite[task].item<bool>();
    outcome.tokens = problem.steps * cloze.support_tokens(task) + cloze.query_tokens(task);
    outcome.metrics["accuracy"] = accuracy_T[task].item<double>();
    outcome.metrics["support_loss_first"] = meta.support_loss_KT[0][task].item<double>();
    outcome.metrics["support_loss_last"] = meta.support_loss_KT[-1][task].item<double>();
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

Params MetaPrompting::adapt(const Params& theta, const Task& task, const StepContext&) const {
  if (task.support.empty() || eval_steps() == 0) return theta;
  Task support = task;
  support.query.clear();  // may well be unlabelled
  const Params learned = learned_of(theta);
  const ClozePack cloze(*pretrained_.backbone, model(theta), *frame_, {support}, *pieces_,
                        support_passes(support));
  InnerProblem problem = inner_problem(cloze, learned);
  problem.steps = eval_steps();
  problem.rate = eval_rate();
  return cloze.adapted(adapt_by_sgd(problem, cloze.fast_weights(learned)), theta);
}

at::Tensor MetaPrompting::scores(const Params& theta, const Task& task, const StepContext&) const {
  const c10::NoGradGuard no_grad;
  const SharedWeights weights(model(theta));
  const Batch rows = batch({task}, false);
  ForwardOptions options;
  options.keep_R = rows.mask_at_R;
  if (theta.contains(kSoftPrompt)) options.soft_TPD = theta.at(kSoftPrompt).unsqueeze(0);
  const at::Tensor states_QD = pretrained_.backbone->encode(weights, rows, options);
  return Verbaliser({task}, *pieces_)
      .logits(*pretrained_.backbone, weights, states_QD)
      .log_softmax(1);
}

Batch MetaPrompting::batch(const std::vector<Task>& pack, bool support) const {
  std::vector<const Example*> rows;
  for (const Task& task : pack)
    for (const Example& row : support ? task.support : task.query) rows.push_back(&row);
  const at::Device device = pretrained_.words_VD().device();
  return frame_->frame(rows, static_cast<std::int64_t>(pack.size())).on(device);
}

Cost MetaPrompting::cost(const std::vector<TaskShape>& pack) const {
  // Tasks of a pack are computed at once: their activations add up.
  Cost support, query;
  for (const TaskShape& shape : pack) {
    const std::int64_t length = std::min(shape.longest + frame_->frame_tokens(), max_length_);
    support = at_once(support, forward_cost(shape.support_rows, length));
    query = at_once(query, forward_cost(shape.query_rows, length));
  }
  // In forward passes: a gradient is 3 of them, 2 where weights are frozen (activations only).
  const double gradient = full() ? 3 : 2;
  const auto steps = static_cast<double>(options_.inner_steps);
  const double kept = rule_->exact() ? static_cast<double>(kept_graphs(support)) : 0;
  Cost total;
  total.flops = (steps - kept) * rule_->forwards_per_step(gradient, false) * support.flops +
                kept * rule_->forwards_per_step(gradient, true) * support.flops +
                gradient * query.flops;
  const double graph = rule_->exact() ? kGradientGraph * support.peak_bytes : support.peak_bytes;
  total.peak_bytes = std::max(kept * graph + query.peak_bytes, std::max(kept, 1.0) * graph);
  // Fast weights of every task: the path where it is walked back, and their gradient.
  double learned =
      static_cast<double>(frame_->soft_tokens() * pretrained_.backbone->geometry().width);
  if (full()) {
    for (const auto& [name, value] : pretrained_.weights) {
      if (in_head_or_encoder(name)) learned += static_cast<double>(value.numel());
    }
  }
  const double copies = rule_->exact() ? steps + 2 + kept : 2;
  total.peak_bytes += 4 * copies * learned * static_cast<double>(pack.size());
  return total;
}

const Register<Method> here{"metaprompting",
                            "meta-learned soft prompts over few-shot episodes (Hou et al. 2022)",
                            [](const Table& section, const Ingredients& ingredients) {
                              return std::make_unique<MetaPrompting>(section, ingredients);
                            }};
const Register<MethodOptions> options_of{"metaprompting", "", defaults_of<MetaPromptingOptions>};

}  // namespace
}  // namespace metaloom
