// MUPPET, massive multi-task pre-finetuning (Aghajanyan et al. 2021): every slot of
// an update is a batch of one dataset; its loss is the mean over rows of cross-entropy / log n, so
// that a uniform guess costs 1 in every family; slots weigh the same. What is asked of the states
// is a head's (methods/muppet/heads/), found by the dataset's family.
// Legend: Q query rows, R rows of the model, L positions, D width.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string_view>

#include "core/error.h"
#include "core/registry.h"
#include "methods/cloze/template.h"
#include "methods/method.h"
#include "methods/muppet/head.h"
#include "methods/task_by_task.h"

namespace metaloom {
namespace {

enum class Trained { all, no_embeddings };
constexpr std::array<std::string_view, 2> words_of(Trained) {
  return {"all", "no-embeddings"};
}

/// What heads read of a row.
enum class RowState { mean, cls };
constexpr std::array<std::string_view, 2> words_of(RowState) {
  return {"mean", "cls"};
}

struct Options {
  Trained train = Trained::all;
  RowState state = RowState::mean;
  double dropout = 0.1;
  double head_rate = 1;
  bool loss_scaling = true;

  void fields(Fields& f) {
    f.choice("train", train, "the encoder's weights that are trained");
    f.choice("state", state, "what heads read: the mean of a row's states, or its [CLS] state");
    f.real("dropout", dropout, "share of states dropped in training", {0, 0.9});
    f.real("head_rate", head_rate, "learning rate of the heads, times the schedule's", {0, 1e4});
    f.flag("loss_scaling", loss_scaling,
           "divide a row's loss by the log of its number of outcomes");
  }
};

class Muppet final : public Method, public Classifier {
 public:
  Muppet(const Table& section, const Ingredients& in)
      : pretrained_(in.pretrained),
        datasets_(in.datasets),
        rng_(in.rng.at("muppet")),
        max_length_(max_length_of(in)),
        frame_(Template::plain(in.pretrained, max_length_)) {
    read_fields(section, "method", options_, {"name"});
    for (const DatasetInfo* dataset : datasets_) add_head_for(*dataset);
  }

  void fields(Fields& f) override { options_.fields(f); }
  Params initial() const override;
  std::vector<ParameterGroup> groups(const Params& theta) const override;
  Phase phase(std::int64_t step) const override {
    return {.name = "train",
            .groups = {"body", "body-undecayed", "heads", "heads-undecayed"},
            .draw = step};
  }
  std::vector<TaskOutcome> gradients(const Params& theta, const std::vector<Task>& pack,
                                     const StepContext& context, GradientSink& sink) const override;
  const Classifier* classifier(const DatasetInfo& dataset) const override {
    const auto head = heads_.find(dataset.family);
    return head != heads_.end() && head->second->classifies() ? this : nullptr;
  }
  at::Tensor scores(const Params& theta, const Task& task, const StepContext&) const override;
  std::vector<Measure> evaluate(const Params& theta, const Task& task,
                                const StepContext& context) const override;
  Params model(const Params& theta) const override { return overlaid(pretrained_.weights, theta); }
  Cost cost(const std::vector<TaskShape>& pack) const override;
  Batch batch(const std::vector<Task>& pack, bool support) const override;

 private:
  void add_head_for(const DatasetInfo& dataset);
  const Head& head_of(const DatasetInfo& dataset) const { return *heads_.at(dataset.family); }
  std::vector<std::string> trained_weights() const;
  at::Device device() const { return pretrained_.device; }
  FramedTask framed(const Task& task) const;
  at::Tensor states(const Weights& weights, const Batch& batch, const Rng* dropout,
                    Reads reads) const;
  at::Tensor answers(const Params& theta, const FramedTask& rows, const Rng* dropout) const;
  at::Tensor loss(const at::Tensor& answers, const FramedTask& rows) const;

  Options options_;
  const Pretrained& pretrained_;
  std::vector<const DatasetInfo*> datasets_;
  Rng rng_;
  std::int64_t max_length_;
  Template frame_;
  std::map<std::string, std::unique_ptr<Head>> heads_;  // by the family whose tasks they read
};

void Muppet::add_head_for(const DatasetInfo& dataset) {
  if (heads_.contains(dataset.family)) return;
  const std::vector<std::string> known = Registry<Head>::names();
  if (std::find(known.begin(), known.end(), dataset.family) == known.end()) {
    throw Error(Fault::usage,
                fmt::format("muppet cannot learn from the family \"{}\"", dataset.family),
                fmt::format("dataset {}", dataset.name),
                fmt::format("Use datasets of the families {}.", fmt::join(known, " and ")));
  }
  heads_[dataset.family] = Registry<Head>::make(
      dataset.family, HeadIngredients{pretrained_, frame_, rng_, options_.dropout});
}

std::vector<std::string> Muppet::trained_weights() const {
  std::vector<std::string> names;
  for (const Parameter& parameter :
       pretrained_.backbone->parameters({Part::embeddings, Part::layers})) {
    if (options_.train == Trained::all || parameter.name != pretrained_.backbone->word_table())
      names.push_back(parameter.name);
  }
  return names;
}

Params Muppet::initial() const {
  Params theta;
  for (const std::string& name : trained_weights()) {
    theta.set(kModelPrefix + name, pretrained_.weights.at(name));
  }
  for (const DatasetInfo* dataset : datasets_) {
    theta = theta.merged_with(head_of(*dataset).initial(*dataset));
  }
  return theta;
}

std::vector<ParameterGroup> Muppet::groups(const Params& theta) const {
  std::vector<std::string> body, heads;
  const auto is_matrix = [&](std::string_view name) { return theta.at(name).dim() > 1; };
  for (const std::string& name : theta.names()) {
    (name.starts_with("head.") ? heads : body).push_back(name);
  }
  std::vector<ParameterGroup> out =
      groups_by_decay("body", body, declared_decays(*pretrained_.backbone));
  for (ParameterGroup& group : groups_by_decay("heads", heads, is_matrix, options_.head_rate)) {
    out.push_back(std::move(group));
  }
  return out;
}

FramedTask Muppet::framed(const Task& task) const {
  std::vector<const Example*> rows;
  for (const Example& row : task.query) rows.push_back(&row);
  return {task, head_of(*task.dataset).frame(rows).on(device())};
}

at::Tensor Muppet::states(const Weights& weights, const Batch& batch, const Rng* dropout,
                          Reads reads) const {
  ForwardOptions options = pretrained_.forward();
  options.dropout = dropout;
  options.dropout_rate = options_.dropout;
  const bool first_alone = reads == Reads::rows && options_.state == RowState::cls;
  if (first_alone) options.keep_R = batch.read_at_R;
  at::Tensor hidden_RLD = pretrained_.backbone->encode(weights, batch, options);
  if (first_alone || reads == Reads::positions) return hidden_RLD;
  const at::Tensor place_L = at::arange(batch.ids_RL.size(1), batch.length_R.options());
  const at::Tensor share_RL =
      place_L.unsqueeze(0).lt(batch.length_R.unsqueeze(1)).to(hidden_RLD.scalar_type()) /
      batch.length_R.unsqueeze(1);
  return at::bmm(share_RL.unsqueeze(1), hidden_RLD).squeeze(1);
}

at::Tensor Muppet::answers(const Params& theta, const FramedTask& rows, const Rng* dropout) const {
  const SharedWeights weights(overlaid(pretrained_.weights, theta).merged_with(theta),
                              pretrained_.products, /*row_gradients=*/true);
  const Head& head = head_of(*rows.task.dataset);
  const at::Tensor read = states(weights, rows.batch, dropout, head.reads());
  return head.answers({rows, weights, read, dropout});
}

/// The slot's loss: the mean over rows of their loss / log n (Aghajanyan et al. 2021, loss
/// scaling).
at::Tensor Muppet::loss(const at::Tensor& answers, const FramedTask& rows) const {
  const Head& head = head_of(*rows.task.dataset);
  const at::Tensor loss_Q = head.losses_Q(answers, rows);
  if (!options_.loss_scaling) return loss_Q.mean();
  std::vector<double> share;
  for (const double outcomes : head.outcomes_Q(rows)) share.push_back(1 / std::log(outcomes));
  if (share.empty()) return loss_Q.mean();
  return (loss_Q * at::tensor(share, at::kDouble).to(loss_Q.options())).mean();
}

std::vector<TaskOutcome> Muppet::gradients(const Params& theta, const std::vector<Task>& pack,
                                           const StepContext& context, GradientSink& sink) const {
  const auto trained_by = [&](const Task& task) {
    const std::string head = head_of(*task.dataset).prefix(*task.dataset) + ".";
    return theta
        .select([&](std::string_view name) {
          return name.starts_with(kModelPrefix) || name.starts_with(head);
        })
        .leaves();
  };
  return gradients_task_by_task(
      pack, sink, trained_by, [&](const Task& task, const Params& leaves) {
        const FramedTask rows = framed(task);
        const Rng dropout = context.of(task.id).at("dropout");
        const at::Tensor found = answers(leaves, rows, options_.dropout > 0 ? &dropout : nullptr);
        TaskLoss out{.total = loss(found, rows), .tokens = rows.batch.tokens};
        const Measure counts = head_of(*task.dataset).measures(found.detach(), rows).front();
        out.metrics = {{counts.name, counts.averaging, estimate_of(counts).value}};
        return out;
      });
}

at::Tensor Muppet::scores(const Params& theta, const Task& task, const StepContext&) const {
  const c10::NoGradGuard no_grad;
  return answers(theta, framed(task), nullptr);
}

std::vector<Measure> Muppet::evaluate(const Params& theta, const Task& task,
                                      const StepContext&) const {
  const c10::NoGradGuard no_grad;
  const FramedTask rows = framed(task);
  return head_of(*task.dataset).measures(answers(theta, rows, nullptr), rows);
}

Cost Muppet::cost(const std::vector<TaskShape>& pack) const {
  Cost sum;
  for (const TaskShape& shape : pack) {
    const std::int64_t length = std::min(shape.longest + frame_.frame_tokens(), max_length_);
    sum = in_turn(sum, pretrained_.gradient_cost({.rows = shape.query_rows, .length = length}, 3));
  }
  return sum;
}

Batch Muppet::batch(const std::vector<Task>& pack, bool) const {
  if (pack.size() != 1) {
    throw Error(Fault::internal, "muppet runs one task a pass", "batch");
  }
  return framed(pack.front()).batch;
}

const Register<Method> here{"muppet", "multi-task pre-finetuning with a head per dataset (MUPPET)",
                            [](const Table& section, const Ingredients& ingredients) {
                              return std::make_unique<Muppet>(section, ingredients);
                            }};
const Register<MethodOptions> options_of{"muppet", "", defaults_of<Options>};

}  // namespace
}  // namespace metaloom
