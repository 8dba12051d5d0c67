// MetaPrompting (Hou et al. 2022, arXiv 2209.11486): a soft prompt, and on request
// the whole model, meta-learned over few-shot episodes by a meta-gradient rule. Classes are told by
// the words of their names at [MASK]. What differs from the release: the soft tokens are free
// vectors (no LSTM before them), one inner run per episode, no dropout.
// Legend: D width, T tasks, Q query rows, N ways.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>

#include "core/registry.h"
#include "methods/meta/inner_loop.h"
#include "methods/metaprompting/cloze_pack.h"
#include "methods/metaprompting/options.h"
#include "methods/method.h"
#include "sampler/families/family_traits.h"

namespace metaloom {
namespace {

constexpr std::int64_t kLabelWords = 16;  // of a pack, for the cost: their share is tiny

class MetaPrompting final : public Method, public Classifier {
 public:
  MetaPrompting(const Table& section, const Ingredients& ingredients)
      : pretrained_(ingredients.pretrained), max_length_(max_length_of(ingredients)) {
    read(section);
    options_.check();
    require_mlm_head(pretrained_);
    if (options_.words == MetaPromptingOptions().words)
      options_.words = Template::usual(options_.words, pretrained_);
    frame_.emplace(options_.words, pretrained_, max_length_);
    scope_ = Registry<Scope>::make(options_.scope, section, scope_ingredients(ingredients.rng));
    for (const DatasetInfo* dataset : ingredients.datasets) check(*dataset);
    pieces_.emplace(ingredients.datasets,
                    LabelRule{options_.label_pieces,
                              frame_->answer_begins() ? pretrained_.tokenizer.get() : nullptr});
    const Params theta = initial();
    fast_numbers_ = static_cast<double>(
        theta.select([this](std::string_view name) { return scope_->is_fast(name); }).numel());
    rate_numbers_ = static_cast<double>(learned_rates(theta).numel());
    phase_ = {"episodes", Half::all, names_of(groups(theta))};
  }

  void fields(Fields& f) override {
    options_.fields(f);
    rule_->fields(f);
    optimizer_->fields(f);
    scope_->fields(f);
  }
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
  const Classifier* classifier(const DatasetInfo&) const override { return this; }
  at::Tensor scores(const Params& theta, const Task& task,
                    const StepContext& context) const override;
  Params model(const Params& theta) const override { return scope_->model(theta); }
  Cost cost(const std::vector<TaskShape>& pack) const override;
  Batch batch(const std::vector<Task>& pack, bool support) const override;

 private:
  /// Options, rule and inner optimizer; refuses a key that neither they nor the scope, which reads
  /// its own later, know.
  void read(const Table& section);
  std::int64_t eval_steps() const {
    return options_.eval_steps < 0 ? options_.inner_steps : options_.eval_steps;
  }
  double eval_rate() const {
    return options_.eval_rate < 0 ? options_.inner_rate : options_.eval_rate;
  }
  static void check(const DatasetInfo& dataset);
  ScopeIngredients scope_ingredients(const Rng& rng) const {
    return {pretrained_,
            {frame_->soft_tokens(), options_.soft_init, options_.soft_words, options_.words},
            rng.at("metaprompting"),
            options_.model_inner_rate,
            options_.model_rate_scale};
  }
  static double progress(const StepContext& context) {
    if (context.steps == 0) return 0;
    return static_cast<double>(context.step) / static_cast<double>(context.steps);
  }
  InnerProblem inner_problem(const ClozePack& cloze, const Params& theta, const Params& theta_T,
                             double rate, double prior) const;
  InnerWork inner_work(const Cost& support, const Cost& query, std::size_t tasks) const;
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
    return pretrained_.backbone->cost({.rows = rows,
                                       .length = length,
                                       .head_rows = rows,
                                       .head_ids = kLabelWords,
                                       .recompute = pretrained_.recompute},
                                      pretrained_.dtype);
  }

  const Pretrained& pretrained_;
  std::int64_t max_length_;
  MetaPromptingOptions options_;
  std::optional<Template> frame_;
  std::optional<ClassPieces> pieces_;
  std::unique_ptr<MetaRule> rule_;
  std::unique_ptr<InnerOptimizer> optimizer_;
  std::unique_ptr<Scope> scope_;
  double fast_numbers_ = 0, rate_numbers_ = 0;  // of one task
  Phase phase_;                                 // there is but one
};

void MetaPrompting::read(const Table& section) {
  const std::unique_ptr<Fields> reader = field_reader(section, "method");
  options_.fields(*reader);  // names the parts
  rule_ = Registry<MetaRule>::make(options_.rule, section);
  optimizer_ = Registry<InnerOptimizer>::make(options_.inner_optimizer, section);
  rule_->fields(*reader);
  optimizer_->fields(*reader);
  check_all_read(*reader, keys_of_scope(options_.scope).keys());
}

void MetaPrompting::check(const DatasetInfo& dataset) {
  const FamilyTraits traits = traits_of(dataset);
  if (traits.target != TargetKind::label || !traits.episodes) {
    throw Error(Fault::usage,
                fmt::format("metaprompting learns from episodes, this set's family is \"{}\"",
                            dataset.family),
                fmt::format("dataset {}", dataset.name),
                "Describe it with family = \"episodes\" and splits of disjoint classes.");
  }
}

Params MetaPrompting::initial() const {
  const Params theta = scope_->initial();
  return theta.merged_with(initial_rates(options_.learned_rates,
                                         scope_->inner_rates(options_.inner_rate), theta,
                                         options_.inner_steps));
}

std::vector<ParameterGroup> MetaPrompting::groups(const Params& theta) const {
  std::vector<ParameterGroup> groups = scope_->groups(theta);
  for (ParameterGroup& group : rate_groups(theta, groups)) groups.push_back(std::move(group));
  return groups;
}

InnerProblem MetaPrompting::inner_problem(const ClozePack& cloze, const Params& theta,
                                          const Params& theta_T, double rate, double prior) const {
  InnerProblem problem(*optimizer_);
  for (std::size_t part = 0; part < cloze.parts(); ++part) {
    problem.support_losses.push_back(
        [&cloze, part](const Params& phi, std::int64_t, Derivatives derivatives) {
          const bool twice = derivatives == Derivatives::twice;
          return cloze.support_losses_T(phi, twice ? Attention::math : Attention::fused, part);
        });
  }
  if (prior > 0) problem.support_losses.push_back(proximal(theta_T, prior));
  problem.steps = options_.inner_steps;
  problem.rates = cloze.rates(theta, scope_->inner_rates(rate));
  const at::IntArrayRef support = cloze.support(0).ids_RL.sizes();
  problem.kept_graphs = inner_work(forward_cost(support[0], support[1]), {}, 0).kept_graphs();
  return problem;
}

std::vector<TaskOutcome> MetaPrompting::gradients(const Params& theta,
                                                  const std::vector<Task>& pack,
                                                  const StepContext& context,
                                                  GradientSink& sink) const {
  const ClozePack cloze(pretrained_, *scope_, overlaid(pretrained_.weights, theta), *frame_, pack,
                        *pieces_);
  const Params theta_T = cloze.fast_weights(theta);
  const Needs needs = rule_->needs(options_.inner_steps, progress(context));
  InnerProblem problem = inner_problem(cloze, theta, theta_T, options_.inner_rate, needs.prior);
  at::Tensor accuracy_T;  // read off the logits of the query pass after the last step
  problem.query_loss = [&](const Params& phi, std::int64_t k) {
    const at::Tensor logits_RN = cloze.query_logits_RN(phi);
    if (k == problem.steps) accuracy_T = cloze.query_accuracy_T(logits_RN);
    return cloze.query_losses_T(logits_RN);
  };
  const MetaGradient meta = rule_->run(problem, theta_T, progress(context));

  const std::int64_t query_passes =
      std::ssize(needs.query_weights) -
      std::count(needs.query_weights.begin(), needs.query_weights.end(), 0.0);
  const at::Tensor finite = finite_T(meta);
  const at::Tensor keep_T = finite.nonzero().squeeze(1).to(meta.query_loss_T.device());
  sink.deliver(cloze.summed(meta, keep_T, theta));

  std::vector<TaskOutcome> outcomes;
  for (std::size_t t = 0; t < pack.size(); ++t) {
    const auto task = static_cast<std::int64_t>(t);
    TaskOutcome outcome;
    outcome.task = pack[t].id;
    outcome.loss = meta.query_loss_T[task].item<double>();
    outcome.finite = finite[task].item<bool>();
    outcome.tokens =
        problem.steps * cloze.support_tokens(task) + query_passes * cloze.query_tokens(task);
    if (accuracy_T.defined()) {
      outcome.metrics.push_back({"accuracy", kShare, accuracy_T[task].item<double>()});
    }
    const auto support_loss = [&](std::int64_t k) {
      return meta.support_loss_KT[k][task].item<double>();
    };
    outcome.metrics.push_back({"support_loss_first", kMean, support_loss(0)});
    outcome.metrics.push_back({"support_loss_last", kMean, support_loss(-1)});
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

Params MetaPrompting::adapt(const Params& theta, const Task& task,
                            const StepContext& context) const {
  if (task.support.empty() || eval_steps() == 0) return theta;
  Task support = task;
  support.query.clear();  // may well be unlabelled
  const ClozePack cloze(pretrained_, *scope_, overlaid(pretrained_.weights, theta), *frame_,
                        {support}, *pieces_, support_passes(support));
  const Params theta_T = cloze.fast_weights(theta);
  InnerProblem problem = inner_problem(cloze, theta, theta_T, eval_rate(),
                                       rule_->needs(eval_steps(), progress(context)).prior);
  problem.steps = eval_steps();
  return cloze.adapted(adapted_phi(problem, theta_T), theta);
}

at::Tensor MetaPrompting::scores(const Params& theta, const Task& task, const StepContext&) const {
  const c10::NoGradGuard no_grad;
  const Batch rows = batch({task}, false);
  const VocabularyRows words(*pretrained_.backbone);  // all of them
  const Reading reading = scope_->reading(overlaid(pretrained_.weights, theta),
                                          scope_->fast(theta, 1, words), 1, words);
  ForwardOptions options = reading.options(pretrained_);
  options.keep_R = rows.read_at_R;
  const at::Tensor states_QD = pretrained_.backbone->encode(*reading.weights, rows, options);
  return Verbaliser({task}, *pieces_)
      .logits(*pretrained_.backbone, *reading.weights, states_QD)
      .log_softmax(1);
}

Batch MetaPrompting::batch(const std::vector<Task>& pack, bool support) const {
  std::vector<const Example*> rows;
  for (const Task& task : pack)
    for (const Example& row : support ? task.support : task.query) rows.push_back(&row);
  const at::Device device = pretrained_.device;
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
  return rule_->cost(inner_work(support, query, pack.size()));
}

InnerWork MetaPrompting::inner_work(const Cost& support, const Cost& query,
                                    std::size_t tasks) const {
  const double task_bytes = static_cast<double>(c10::elementSize(pretrained_.dtype) * tasks);
  return {.support = support,
          .query = query,
          .gradient = scope_->gradient_work(),
          .recompute = pretrained_.recompute,
          .steps = options_.inner_steps,
          .fast_bytes = task_bytes * fast_numbers_,
          .memory = optimizer_->memory_per_weight(),
          .rate_bytes = task_bytes * rate_numbers_,
          .graph_bytes = options_.graph_memory * 0x1p30};
}

const Register<Method> here{"metaprompting",
                            "meta-learned soft prompts over few-shot episodes (Hou et al. 2022)",
                            [](const Table& section, const Ingredients& ingredients) {
                              return std::make_unique<MetaPrompting>(section, ingredients);
                            }};
const Register<MethodOptions> options_of{"metaprompting", "", MetaPromptingOptions::all_keys};

}  // namespace
}  // namespace metaloom
