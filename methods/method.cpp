#include "methods/method.h"

#include <ATen/ATen.h>

#include <cmath>

#include "methods/labels.h"

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

}  // namespace metaloom
