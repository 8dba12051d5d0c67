#include "methods/method.h"

#include <ATen/ATen.h>

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"

namespace metaloom {

Rng StepContext::of(const TaskId& task) const {
  return rng.at({task.dataset, static_cast<int>(task.split), static_cast<int>(task.half), task.pass,
                 task.index});
}

Params Method::adapt(const Params& theta, const Task&, const StepContext&) const {
  return theta;
}

Evaluation Method::evaluate(const Params& theta, const Task& task,
                            const StepContext& context) const {
  const Params adapted = adapts() ? adapt(theta, task, context) : theta;
  const at::Tensor scores_QN = scores(adapted, task, context);
  const at::Tensor label_Q = labels_of(task.query, scores_QN.device());
  const at::Tensor cost_Q = -scores_QN.gather(1, label_Q.unsqueeze(1)).to(at::kDouble);
  Evaluation out;
  const at::Tensor right_Q = scores_QN.argmax(1).eq(label_Q).cpu();
  for (std::int64_t q = 0; q < right_Q.size(0); ++q) {
    out.right += right_Q[q].item<bool>() ? '1' : '0';
  }
  // Scores that are no numbers are no answers, right or wrong.
  const double sum = scores_QN.logsumexp(1).sum().item<double>();
  out.means = {{"accuracy", std::isnan(sum) ? sum : right_Q.to(at::kDouble).mean().item<double>()},
               {"loss", cost_Q.mean().item<double>()},
               {"count", static_cast<double>(task.query.size())}};
  return out;
}

std::map<std::string, std::vector<double>> Method::watch(const Params&) const {
  return {};
}

Params overlaid(const Params& frozen, const Params& theta) {
  constexpr std::string_view kPrefix = kModelPrefix;
  Params trained;
  for (const auto& [name, value] : theta) {
    if (name.starts_with(kPrefix)) trained.set(name.substr(kPrefix.size()), value);
  }
  return frozen.merged_with(trained);
}

std::vector<ParameterGroup> groups_by_decay(const std::string& name, const Params& theta,
                                            const std::vector<std::string>& parameters,
                                            double rate_scale) {
  ParameterGroup decayed{.name = name, .parameters = {}, .rate_scale = rate_scale};
  ParameterGroup undecayed{
      .name = name + "-undecayed", .parameters = {}, .rate_scale = rate_scale, .decay = 0.0};
  for (const std::string& parameter : parameters) {
    const bool vector = theta.at(parameter).dim() < 2;
    (vector ? undecayed : decayed).parameters.push_back(parameter);
  }
  std::vector<ParameterGroup> out;
  for (ParameterGroup& group : {std::ref(decayed), std::ref(undecayed)}) {
    if (!group.parameters.empty()) out.push_back(std::move(group));
  }
  return out;
}

std::vector<std::string> names_of(const std::vector<ParameterGroup>& groups) {
  std::vector<std::string> out;
  out.reserve(groups.size());
  for (const ParameterGroup& group : groups) out.push_back(group.name);
  return out;
}

bool all_finite(const Params& values) {
  if (values.empty()) return true;
  // A sum is finite only if every term is: a NaN or an infinity is never cancelled.
  std::vector<at::Tensor> sums;
  for (const auto& [name, value] : values) sums.push_back(value.sum().to(at::kDouble));
  return at::stack(sums).isfinite().all().item<bool>();
}

std::int64_t max_length_of(const Ingredients& ingredients) {
  const std::int64_t wanted = ingredients.tasks.max_length;
  const std::int64_t positions = ingredients.pretrained.backbone->geometry().positions;
  if (wanted > positions) {
    throw Error(
        Fault::usage,
        fmt::format("rows of up to {} tokens for a model of {} positions", wanted, positions),
        "data.max_length", fmt::format("Set it to at most {}.", positions));
  }
  return wanted;
}

double accuracy_of(const at::Tensor& scores_RN, const at::Tensor& label_R) {
  return scores_RN.detach().argmax(1).eq(label_R).to(at::kDouble).mean().item<double>();
}

void require_mlm_head(const Pretrained& pretrained) {
  for (const Parameter& parameter : pretrained.backbone->parameters({Part::head})) {
    if (pretrained.weights.contains(parameter.name)) continue;
    throw Error(Fault::data, "the model has no MLM head, which this method reads its answers from",
                parameter.name,
                "Use one that has it (minilm-mlm), or train it with method = \"mlm\".");
  }
}

Batch batch_on(const Batch& batch, at::Device device) {
  return batch.map([&](const at::Tensor& tensor) { return tensor.to(device); });
}

at::Tensor labels_of(const std::vector<Example>& rows, at::Device device) {
  std::vector<std::int64_t> labels;
  labels.reserve(rows.size());
  for (const Example& row : rows) {
    if (row.label < 0) {
      throw Error(Fault::data, "a row without a label where one is needed",
                  fmt::format("row {}", row.row), "Label the row or leave it out.");
    }
    labels.push_back(row.label);
  }
  return at::tensor(labels, at::kLong).to(device);
}

}  // namespace metaloom
