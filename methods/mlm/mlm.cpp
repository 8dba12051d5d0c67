// Masked language modelling (Devlin et al. 2019): what makes an encoder answer at [MASK]. A share
// of a row's word pieces is hidden: of these 80 % by [MASK], 10 % by a random piece, 10 % stay; the
// loss is the cross-entropy at hidden positions, and the vocabulary is scored there only. All texts
// of a task count, labels do not (multiple choice: the context with its right candidate).
// Legend: R rows, L positions, M hidden positions, D width, V vocabulary.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/registry.h"
#include "methods/cloze/template.h"
#include "methods/labels.h"
#include "methods/method.h"
#include "methods/task_by_task.h"
#include "sampler/families/family_traits.h"

namespace metaloom {
namespace {

constexpr double kInitialSpread = 0.02;  // BERT's initializer_range

struct Options {
  double share = 0.2, masked = 0.8, random = 0.1, dropout = 0.1;

  void fields(Fields& f) {
    f.real("share", share, "share of a row's word pieces that are hidden (at least one)",
           {0.001, 0.9});
    f.real("masked", masked, "share of these that become [MASK]", {0, 1});
    f.real("random", random, "share of these that become a random piece; the rest stays", {0, 1});
    f.real("dropout", dropout, "share of states dropped in training", {0, 0.9});
  }
};

/// A batch with hidden pieces: where they are in the flattened batch, and what they were.
struct Hidden {
  Batch batch;
  at::Tensor place_M, piece_M;
};

class Mlm final : public Method {
 public:
  Mlm(const Table& section, const Ingredients& in)
      : pretrained_(in.pretrained),
        rng_(in.rng.at("mlm")),
        max_length_(max_length_of(in)),
        frame_(Template::plain(in.pretrained, max_length_)) {
    read_fields(section, "method", options_, {"name"});
    if (in.pretrained.backbone->framing().answer != ReadAt::mask) {
      throw Error(Fault::usage, "this model hides no words: it foretells the next one",
                  "method.name = \"mlm\"", "Use a model that is read at a mask.");
    }
    if (options_.masked + options_.random > 1) {
      throw Error(Fault::usage,
                  fmt::format("of the hidden pieces {} become [MASK] and {} random: more than all",
                              options_.masked, options_.random),
                  "method.masked", "Lower one of the two.");
    }
  }

  void fields(Fields& f) override { options_.fields(f); }
  Params initial() const override;
  std::vector<ParameterGroup> groups(const Params& theta) const override {
    return groups_by_decay("model", theta.names(), declared_decays(*pretrained_.backbone));
  }
  Phase phase(std::int64_t step) const override {
    return {.name = "train", .groups = {"model", "model-undecayed"}, .draw = step};
  }
  std::vector<TaskOutcome> gradients(const Params& theta, const std::vector<Task>& pack,
                                     const StepContext& context, GradientSink& sink) const override;
  std::vector<Measure> evaluate(const Params& theta, const Task& task,
                                const StepContext& context) const override;
  Params model(const Params& theta) const override { return overlaid(pretrained_.weights, theta); }
  Cost cost(const std::vector<TaskShape>& pack) const override;
  Batch batch(const std::vector<Task>& pack, bool support) const override;

 private:
  Batch framed(const Task& task) const;
  Hidden hidden(const Task& task, const Rng& rng) const;
  at::Tensor logits_MV(const Params& theta, const Hidden& rows, const Rng* dropout) const;

  Options options_;
  const Pretrained& pretrained_;
  Rng rng_;
  std::int64_t max_length_;
  Template frame_;
};

Params Mlm::initial() const {
  Params theta;
  for (const Parameter& one :
       pretrained_.backbone->parameters({Part::embeddings, Part::layers, Part::head})) {
    at::Tensor value;
    if (pretrained_.weights.contains(one.name)) {
      value = pretrained_.weights.at(one.name);
    } else if (one.start == Start::normal) {  // a model without MLM head gets one
      value = rng_.at(one.name)
                  .normal_tensor(one.shape, kInitialSpread, pretrained_.dtype)
                  .to(pretrained_.device);
    } else {
      value = one.start == Start::ones ? at::ones(one.shape, pretrained_.options())
                                       : at::zeros(one.shape, pretrained_.options());
    }
    theta.set(kModelPrefix + one.name, value);
  }
  return theta;
}

Batch Mlm::framed(const Task& task) const {
  const bool choices = traits_of(*task.dataset).target == TargetKind::choice;
  std::vector<Example> texts;
  for (const std::vector<Example>* side : {&task.support, &task.query}) {
    for (const Example& row : *side) {
      if (const std::int64_t right = row.target.label; choices && right >= 0) {
        texts.push_back({{row.segments[0], row.segments.at(right + 1)}, row.target, row.row});
      } else {
        texts.push_back(row);
      }
    }
  }
  std::vector<const Example*> rows;
  rows.reserve(texts.size());
  for (const Example& text : texts) rows.push_back(&text);
  return frame_.frame(rows, 1);
}

/// Each piece of text is hidden with probability `share`; a row of which none is gets one by lot.
Hidden Mlm::hidden(const Task& task, const Rng& rng) const {
  const Tokenizer& tokenizer = *pretrained_.tokenizer;
  Hidden out{framed(task), {}, {}};
  const std::int64_t length = out.batch.ids_RL.size(1);
  std::int64_t* id = out.batch.ids_RL.data_ptr<std::int64_t>();
  std::vector<std::int64_t> places, pieces;
  for (std::int64_t r = 0; r < out.batch.rows(); ++r) {
    const Rng lot = rng.at({r});
    std::vector<std::int64_t> candidates, chosen;
    for (std::int64_t l = 0; l < out.batch.length_R[r].item<std::int64_t>(); ++l) {
      const std::int64_t piece = id[r * length + l];
      if (!frame_.is_frame(piece)) candidates.push_back(l);
    }
    if (candidates.empty()) continue;
    for (const std::int64_t l : candidates) {
      if (lot.at("hide").uniform(l) < options_.share) chosen.push_back(l);
    }
    if (chosen.empty()) {
      const auto count = static_cast<std::int64_t>(candidates.size());
      chosen.push_back(candidates[lot.at("at least one").below(0, count)]);
    }
    for (const std::int64_t l : chosen) {
      const std::int64_t place = r * length + l;
      places.push_back(place);
      pieces.push_back(id[place]);
      const double fate = lot.at("fate").uniform(l);
      if (fate < options_.masked) {
        id[place] = tokenizer.special(Special::mask);
      } else if (fate < options_.masked + options_.random) {
        id[place] = lot.at("piece").below(l, tokenizer.size());
      }
    }
  }
  if (places.empty()) {
    throw Error(Fault::data, "a batch without a single word piece",
                fmt::format("dataset {}", task.dataset->name), "Leave empty texts out.");
  }
  const at::Device device = pretrained_.device;
  out.batch = out.batch.on(device);
  out.place_M = at::tensor(places, at::kLong).to(device);
  out.piece_M = at::tensor(pieces, at::kLong).to(device);
  return out;
}

at::Tensor Mlm::logits_MV(const Params& theta, const Hidden& rows, const Rng* dropout) const {
  const SharedWeights weights(overlaid(pretrained_.weights, theta), pretrained_.products);
  ForwardOptions options = pretrained_.forward();
  options.dropout = dropout;
  options.dropout_rate = options_.dropout;
  const at::Tensor hidden_RLD = pretrained_.backbone->encode(weights, rows.batch, options);
  const at::Tensor states_MD = hidden_RLD.flatten(0, 1).index_select(0, rows.place_M);
  return pretrained_.backbone->word_logits(weights, states_MD, {});
}

std::vector<TaskOutcome> Mlm::gradients(const Params& theta, const std::vector<Task>& pack,
                                        const StepContext& context, GradientSink& sink) const {
  return gradients_task_by_task(
      pack, sink, [&](const Task&) { return theta.leaves(); },
      [&](const Task& task, const Params& leaves) {
        const Rng rng = context.of(task.id);
        const Rng dropout = rng.at("dropout");
        const Hidden rows = hidden(task, rng.at("hidden pieces"));
        const at::Tensor logits =
            logits_MV(leaves, rows, options_.dropout > 0 ? &dropout : nullptr);
        return TaskLoss{.total = at::cross_entropy_loss(logits, rows.piece_M),
                        .tokens = rows.batch.tokens,
                        .metrics = {{"accuracy", kShare, accuracy_of(logits, rows.piece_M)}}};
      });
}

/// "accuracy" and "loss" at hidden positions. The same pieces are hidden at every step, so that
/// evaluations can be compared.
std::vector<Measure> Mlm::evaluate(const Params& theta, const Task& task,
                                   const StepContext&) const {
  const c10::NoGradGuard no_grad;
  const StepContext any_step{0, 0, rng_.at("evaluation")};
  const Hidden rows = hidden(task, any_step.of(task.id));
  const at::Tensor logits = logits_MV(theta, rows, nullptr);
  const auto count = static_cast<double>(rows.piece_M.size(0));
  return {{.name = "accuracy",
           .averaging = kShare,
           .mean = accuracy_of(logits, rows.piece_M),
           .count = count},
          {.name = kLoss,
           .averaging = kMean,
           .mean = at::cross_entropy_loss(logits, rows.piece_M).item<double>(),
           .count = count}};
}

Cost Mlm::cost(const std::vector<TaskShape>& pack) const {
  Cost sum;
  for (const TaskShape& shape : pack) {
    const std::int64_t length = std::min(shape.longest + frame_.frame_tokens(), max_length_);
    const std::int64_t rows = shape.support_rows + shape.query_rows;
    const auto hidden = static_cast<std::int64_t>(
        options_.share * static_cast<double>(shape.support_tokens + shape.query_tokens));
    const Pass pass{.rows = rows,
                    .length = length,
                    .head_rows = hidden,
                    .head_ids = pretrained_.tokenizer->size()};
    sum = in_turn(sum, pretrained_.gradient_cost(pass, 3));
  }
  return sum;
}

Batch Mlm::batch(const std::vector<Task>& pack, bool) const {
  if (pack.size() != 1) throw Error(Fault::internal, "mlm runs one task a pass", "batch");
  const StepContext any_step{0, 0, rng_.at("evaluation")};
  return hidden(pack.front(), any_step.of(pack.front().id)).batch;
}

const Register<Method> here{"mlm", "masked language modelling on the texts of any dataset",
                            [](const Table& section, const Ingredients& ingredients) {
                              return std::make_unique<Mlm>(section, ingredients);
                            }};
const Register<MethodOptions> options_of{"mlm", "", defaults_of<Options>};

}  // namespace
}  // namespace metaloom
