// MUPPET, massive multi-task pre-finetuning (Aghajanyan et al. 2021): every slot of
// an update is a batch of one dataset; its loss is the mean over rows of cross-entropy / log n, so
// that a uniform guess costs 1 in every family; slots weigh the same. One head per classification
// dataset, one for all multiple-choice datasets together.
// Legend: Q rows, R rows of the model (Q, or candidates of all Q), L positions, D width, N classes.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string_view>

#include "core/error.h"
#include "core/registry.h"
#include "methods/cloze/template.h"
#include "methods/labels.h"
#include "methods/method.h"
#include "methods/task_by_task.h"

namespace metaloom {
namespace {

constexpr double kInitialSpread = 0.02;  // BERT's initializer_range

bool is_choice(const DatasetInfo& dataset) {
  return dataset.family == "multiple_choice";
}

std::string head_of(const DatasetInfo& dataset) {
  return is_choice(dataset) ? "head.choice" : "head." + dataset.name;
}

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

class Muppet final : public Method {
 public:
  Muppet(const Table& section, const Ingredients& in)
      : pretrained_(in.pretrained),
        datasets_(in.datasets),
        rng_(in.rng.at("muppet")),
        max_length_(max_length_of(in)),
        frame_(Template::plain(*in.pretrained.vocabulary, max_length_)) {
    read_fields(section, "method", options_, {"name"});
    for (const DatasetInfo* dataset : datasets_) check(*dataset);
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
  at::Tensor scores(const Params& theta, const Task& task, const StepContext&) const override;
  Params model(const Params& theta) const override { return overlaid(pretrained_.weights, theta); }
  Cost cost(const std::vector<TaskShape>& pack) const override;
  Batch batch(const std::vector<Task>& pack, bool support) const override;

 private:
  static void check(const DatasetInfo& dataset) {
    if (dataset.family == "classification" || is_choice(dataset)) return;
    throw Error(Fault::usage,
                fmt::format("muppet cannot learn from the family \"{}\"", dataset.family),
                fmt::format("dataset {}", dataset.name),
                "Use datasets of the families classification and multiple_choice.");
  }

  std::vector<std::string> trained_weights() const;
  at::Device device() const { return pretrained_.words_VD().device(); }
  Batch framed(const Task& task) const;
  at::Tensor row_states(const Weights& weights, const Batch& batch, const Rng* dropout) const;
  at::Tensor log_probabilities(const Params& theta, const Task& task, const Batch& batch,
                               const Rng* dropout) const;
  at::Tensor loss(const at::Tensor& scores_QN, const Task& task) const;

  Options options_;
  const Pretrained& pretrained_;
  std::vector<const DatasetInfo*> datasets_;
  Rng rng_;
  std::int64_t max_length_;
  Template frame_;
};

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
  const auto like = pretrained_.words_VD().options();
  const auto dtype = c10::typeMetaToScalarType(like.dtype());
  const std::int64_t width = pretrained_.backbone->geometry().width;
  const auto linear = [&](const std::string& name, std::int64_t outputs) {
    const Rng rng = rng_.at(name);
    theta.set(name + ".weight",
              rng.normal_tensor({outputs, width}, kInitialSpread, dtype).to(like));
    theta.set(name + ".bias", at::zeros({outputs}, like));
  };
  for (const DatasetInfo* dataset : datasets_) {
    const std::string head = head_of(*dataset);
    linear(head + ".dense", width);
    linear(head + ".out",
           is_choice(*dataset) ? 1 : static_cast<std::int64_t>(dataset->labels.size()));
  }
  return theta;
}

std::vector<ParameterGroup> Muppet::groups(const Params& theta) const {
  std::vector<std::string> body, heads;
  for (const std::string& name : theta.names()) {
    (name.starts_with("head.") ? heads : body).push_back(name);
  }
  std::vector<ParameterGroup> out = groups_by_decay("body", theta, body);
  for (ParameterGroup& group : groups_by_decay("heads", theta, heads, options_.head_rate)) {
    out.push_back(std::move(group));
  }
  return out;
}

Batch Muppet::framed(const Task& task) const {
  std::vector<const Example*> rows;
  for (const Example& row : task.query) rows.push_back(&row);
  const Batch batch =
      is_choice(*task.dataset) ? frame_.frame_choices(rows, 1) : frame_.frame(rows, 1);
  return batch.on(device());
}

at::Tensor Muppet::row_states(const Weights& weights, const Batch& batch,
                              const Rng* dropout) const {
  ForwardOptions options;
  options.dropout = dropout;
  options.dropout_rate = options_.dropout;
  if (options_.state == RowState::cls) {
    options.keep_R = at::zeros_like(batch.length_R);
    return pretrained_.backbone->encode(weights, batch, options);
  }
  const at::Tensor hidden_RLD = pretrained_.backbone->encode(weights, batch, options);
  const at::Tensor place_L = at::arange(batch.ids_RL.size(1), batch.length_R.options());
  const at::Tensor share_RL =
      place_L.unsqueeze(0).lt(batch.length_R.unsqueeze(1)).to(hidden_RLD.scalar_type()) /
      batch.length_R.unsqueeze(1);
  return at::bmm(share_RL.unsqueeze(1), hidden_RLD).squeeze(1);
}

/// [Q, N]; rows with fewer candidates than N get -inf in their last columns.
at::Tensor Muppet::log_probabilities(const Params& theta, const Task& task, const Batch& batch,
                                     const Rng* dropout) const {
  const SharedWeights weights(overlaid(pretrained_.weights, theta).merged_with(theta),
                              /*row_gradients=*/true);
  const auto dropped = [&](const at::Tensor& x, std::string_view site) {
    if (dropout == nullptr) return x;
    const at::Tensor mask =
        dropout->at(site).dropout_mask(x.sizes(), options_.dropout, x.scalar_type());
    return x * mask.to(x.device());
  };
  const std::string head = head_of(*task.dataset);
  const at::Tensor states_RD = row_states(weights, batch, dropout);
  const at::Tensor dense_RD =
      weights.linear(head + ".dense", dropped(states_RD, "head input")).tanh();
  const at::Tensor logits_RN = weights.linear(head + ".out", dropped(dense_RD, "head output"));
  if (!is_choice(*task.dataset)) return logits_RN.log_softmax(1);

  std::vector<std::int64_t> row, column;
  std::int64_t most = 0;
  for (std::size_t q = 0; q < task.query.size(); ++q) {
    const auto choices = static_cast<std::int64_t>(task.query[q].segments.size()) - 1;
    for (std::int64_t n = 0; n < choices; ++n) {
      row.push_back(static_cast<std::int64_t>(q));
      column.push_back(n);
    }
    most = std::max(most, choices);
  }
  const auto index = [&](const std::vector<std::int64_t>& values) {
    return std::optional<at::Tensor>(at::tensor(values, at::kLong).to(logits_RN.device()));
  };
  const at::Tensor nothing_QN =
      at::full({static_cast<std::int64_t>(task.query.size()), most},
               -std::numeric_limits<double>::infinity(), logits_RN.options());
  return nothing_QN.index_put({index(row), index(column)}, logits_RN.squeeze(1)).log_softmax(1);
}

/// The slot's loss: the mean over rows of cross-entropy / log n (Aghajanyan et al. 2021, loss
/// scaling).
at::Tensor Muppet::loss(const at::Tensor& scores_QN, const Task& task) const {
  const at::Tensor label_Q = labels_of(task.query, scores_QN.device());
  const at::Tensor cost_Q = -scores_QN.gather(1, label_Q.unsqueeze(1)).squeeze(1);
  if (!options_.loss_scaling) return cost_Q.mean();
  std::vector<double> share;
  for (const Example& row : task.query) {
    const std::size_t outcomes =
        is_choice(*task.dataset) ? row.segments.size() - 1 : task.dataset->labels.size();
    share.push_back(1 / std::log(static_cast<double>(outcomes)));
  }
  return (cost_Q * at::tensor(share, at::kDouble).to(cost_Q.options())).mean();
}

std::vector<TaskOutcome> Muppet::gradients(const Params& theta, const std::vector<Task>& pack,
                                           const StepContext& context, GradientSink& sink) const {
  const auto trained_by = [&](const Task& task) {
    const std::string head = head_of(*task.dataset) + ".";
    return theta
        .select([&](std::string_view name) {
          return name.starts_with(kModelPrefix) || name.starts_with(head);
        })
        .leaves();
  };
  return gradients_task_by_task(
      pack, sink, trained_by, [&](const Task& task, const Params& leaves) {
        const Batch batch = framed(task);
        const Rng dropout = context.of(task.id).at("dropout");
        const at::Tensor scores_QN =
            log_probabilities(leaves, task, batch, options_.dropout > 0 ? &dropout : nullptr);
        const at::Tensor label_Q = labels_of(task.query, scores_QN.device());
        return TaskLoss{.total = loss(scores_QN, task),
                        .tokens = batch.tokens,
                        .metrics = {{"accuracy", accuracy_of(scores_QN, label_Q)}}};
      });
}

at::Tensor Muppet::scores(const Params& theta, const Task& task, const StepContext&) const {
  const c10::NoGradGuard no_grad;
  return log_probabilities(theta, task, framed(task), nullptr);
}

Cost Muppet::cost(const std::vector<TaskShape>& pack) const {
  Cost sum;
  for (const TaskShape& shape : pack) {
    const std::int64_t length = std::min(shape.longest + frame_.frame_tokens(), max_length_);
    Cost one = pretrained_.backbone->forward_cost(shape.query_rows, length, 0, 0, 0);
    one.flops *= 3;  // the backward pass costs two forward passes
    sum = in_turn(sum, one);
  }
  return sum;
}

Batch Muppet::batch(const std::vector<Task>& pack, bool) const {
  if (pack.size() != 1) {
    throw Error(Fault::internal, "muppet runs one task a pass", "batch");
  }
  return framed(pack.front());
}

const Register<Method> here{"muppet", "multi-task pre-finetuning with a head per dataset (MUPPET)",
                            [](const Table& section, const Ingredients& ingredients) {
                              return std::make_unique<Muppet>(section, ingredients);
                            }};
const Register<MethodOptions> options_of{"muppet", "", defaults_of<Options>};

}  // namespace
}  // namespace metaloom
