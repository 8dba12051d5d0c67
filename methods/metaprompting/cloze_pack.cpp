#include "methods/metaprompting/cloze_pack.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "methods/labels.h"
#include "methods/method.h"

namespace metaloom {

std::vector<std::int64_t> passes_within(
    double bytes, const std::vector<std::int64_t>& lengths,
    const std::function<double(std::int64_t rows, std::int64_t length)>& bytes_of) {
  std::vector<std::int64_t> passes;
  std::int64_t longest = 0;
  for (const std::int64_t length : lengths) {
    longest = std::max(longest, length);
    if (!passes.empty() && bytes_of(passes.back() + 1, longest) <= bytes) {
      ++passes.back();
    } else {
      passes.push_back(1);
      longest = length;
    }
  }
  return passes;
}

ClozePack::ClozePack(const Pretrained& pretrained, const Scope& scope, Params frozen,
                     const Template& frame, const std::vector<Task>& pack,
                     const ClassPieces& pieces, const std::vector<std::int64_t>& parts)
    : pretrained_(pretrained),
      scope_(scope),
      frozen_(std::move(frozen)),
      tasks_(static_cast<std::int64_t>(pack.size())),
      query_(framed(frame, pack, &Task::query)),
      verbaliser_(pack, pieces) {
  frame_support(frame, pack, parts);
  std::vector<at::Tensor> ids{verbaliser_.word_ids_C().to(pretrained_.device)};
  const auto take = [&](const Side& side) {
    if (side.batch.ids_RL.defined()) ids.push_back(side.batch.ids_RL.flatten());
  };
  for (const Side& part : support_) take(part);
  take(query_);
  rows_.emplace(scope_.rows(ids));
}

ClozePack::Side ClozePack::framed(const Template& frame, const std::vector<Task>& pack,
                                  std::vector<Example> Task::*rows) const {
  std::vector<const Example*> all;
  std::vector<Example> labelled;
  for (const Task& task : pack) {
    if ((task.*rows).size() != (pack.front().*rows).size()) {
      throw Error(Fault::internal,
                  fmt::format("episodes of one pack have {} and {} rows",
                              (pack.front().*rows).size(), (task.*rows).size()),
                  task.dataset->name, "Put episodes of equal shape into a pack.");
    }
    for (const Example& example : task.*rows) all.push_back(&example);
    labelled.insert(labelled.end(), (task.*rows).begin(), (task.*rows).end());
  }
  if (all.empty()) return {};
  Side side;
  side.batch = frame.frame(all, tasks_).on(pretrained_.device);
  side.label_R = labels_of(labelled, pretrained_.device);
  return side;
}

void ClozePack::frame_support(const Template& frame, const std::vector<Task>& pack,
                              const std::vector<std::int64_t>& parts) {
  if (parts.size() < 2) {
    support_.push_back(framed(frame, pack, &Task::support));
    return;
  }
  if (pack.size() != 1) throw Error(Fault::internal, "several tasks, and several passes over one");
  auto row = pack[0].support.begin();
  for (const std::int64_t rows : parts) {
    Task part = pack[0];
    part.support.assign(row, row + rows);
    row += rows;
    support_.push_back(framed(frame, {part}, &Task::support));
  }
}

Params ClozePack::fast_weights(const Params& theta) const {
  return scope_.fast(theta, tasks_, *rows_);
}

InnerRates ClozePack::rates(const Params& theta, Params constants) const {
  Params learned_T;
  for (const auto& [name, value] : learned_rates(theta))
    learned_T.set(name, for_each_task(rows_->taken(name, value.detach(), 1), tasks_));
  return InnerRates(std::move(constants), std::move(learned_T));
}

Params ClozePack::summed(const MetaGradient& meta, const at::Tensor& keep_T,
                         const Params& theta) const {
  Params out = scope_.summed(meta.gradient, keep_T, theta, *rows_);
  for (const auto& [name, value_T] : meta.rates) {
    const std::string entry = kRatePrefix + name;
    const at::Tensor sum = value_T.index_select(0, keep_T).sum(0);
    out.set(entry, rows_->among_zeros(name, sum, theta.at(entry), 1));
  }
  return out;
}

Params ClozePack::adapted(const Params& phi_T, const Params& theta) const {
  return scope_.adapted(phi_T, theta, *rows_);
}

at::Tensor ClozePack::logits_RN(const Params& phi_T, const Batch& batch,
                                Attention attention) const {
  const Reading reading = scope_.reading(frozen_, phi_T, tasks_, *rows_);
  ForwardOptions options = reading.options(pretrained_);
  options.attention = attention;
  options.keep_R = batch.read_at_R;
  const Backbone& backbone = *pretrained_.backbone;
  return verbaliser_.logits(backbone, *reading.weights,
                            backbone.encode(*reading.weights, batch, options));
}

at::Tensor ClozePack::losses_T(const at::Tensor& logits_RN, const at::Tensor& label_R) const {
  const at::Tensor right_R1 = logits_RN.log_softmax(1).gather(1, label_R.unsqueeze(1));
  return -right_R1.view({tasks_, -1}).mean(1);
}

at::Tensor ClozePack::support_losses_T(const Params& phi_T, Attention attention,
                                       std::size_t part) const {
  const Side& side = support_[part];
  at::Tensor mean_T = losses_T(logits_RN(phi_T, side.batch, attention), side.label_R);
  if (support_.size() == 1) return mean_T;
  std::int64_t rows = 0;
  for (const Side& one : support_) rows += one.batch.rows();
  return mean_T * (static_cast<double>(side.batch.rows()) / static_cast<double>(rows));
}

at::Tensor ClozePack::query_logits_RN(const Params& phi_T) const {
  return logits_RN(phi_T, query_.batch, Attention::fused);
}

at::Tensor ClozePack::query_losses_T(const at::Tensor& logits_RN) const {
  return losses_T(logits_RN, query_.label_R);
}

at::Tensor ClozePack::query_accuracy_T(const at::Tensor& logits_RN) const {
  const at::Tensor right_R = logits_RN.detach().argmax(1).eq(query_.label_R);
  return right_R.to(at::kDouble).view({tasks_, -1}).mean(1);
}

std::int64_t ClozePack::tokens(const Side& side, std::int64_t task) const {
  if (!side.batch.length_R.defined()) return 0;
  return side.batch.length_R.view({tasks_, -1}).select(0, task).sum().item<std::int64_t>();
}

std::int64_t ClozePack::support_tokens(std::int64_t task) const {
  std::int64_t sum = 0;
  for (const Side& part : support_) sum += tokens(part, task);
  return sum;
}
std::int64_t ClozePack::query_tokens(std::int64_t task) const {
  return tokens(query_, task);
}

}  // namespace metaloom
