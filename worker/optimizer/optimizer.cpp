#include "worker/optimizer/optimizer.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/registry.h"
#include "core/spelling.h"

namespace metaloom {

void OptimizerOptions::fields(Fields& f) {
  f.choice("name", name, "update rule", Registry<UpdateRule>::names());
  f.real("rate", rate, "peak learning rate", {0, 1e3});
  f.choice("schedule", schedule, "after the warm-up");
  f.real("warmup", warmup, "share of the updates with a rising rate", {0, 1});
  f.real("weight_decay", weight_decay, "decoupled weight decay", {0, 10});
  f.real("clip", clip, "largest global gradient norm; 0: no clipping", {0});
  f.real("beta1", beta1, "Adam's first moment", {0, 0.999999});
  f.real("beta2", beta2, "Adam's second moment", {0, 0.999999999});
  f.real("epsilon", epsilon, "Adam's epsilon", {1e-16, 1});
  f.real("momentum", momentum, "of sgd", {0, 0.999999});
}

double learning_rate(const OptimizerOptions& options, std::int64_t step, std::int64_t steps) {
  const double warm = std::floor(options.warmup * static_cast<double>(steps));
  if (static_cast<double>(step) < warm) {
    return options.rate * static_cast<double>(step + 1) / (warm + 1);
  }
  if (options.schedule == Schedule::constant) return options.rate;
  const double left = std::max(1.0, static_cast<double>(steps) - warm);
  const double done = std::min(1.0, (static_cast<double>(step) - warm) / left);
  if (options.schedule == Schedule::linear) return options.rate * (1 - done);
  return options.rate * 0.5 * (1 + std::cos(std::numbers::pi * done));
}

Optimizer::Optimizer(const OptimizerOptions& options, FlatParams& theta)
    : Optimizer(options, theta, theta.whole()) {}

Optimizer::Optimizer(const OptimizerOptions& options, FlatParams& theta, Shard shard)
    : options_(options),
      theta_(theta),
      shard_(std::move(shard)),
      rule_(Registry<UpdateRule>::make(options.name, options)) {
  for (const std::string& name : rule_->state()) {
    state_[name] = at::zeros_like(shard_.span.of(theta.flat()));
  }
}

double Optimizer::clip(double norm) const {
  return options_.clip > 0 && norm > options_.clip ? options_.clip / (norm + 1e-12) : 1.0;
}

double Optimizer::rate(const Phase& phase, std::int64_t step, std::int64_t steps) const {
  return learning_rate(options_, step - phase.first, phase.updates > 0 ? phase.updates : steps);
}

void Optimizer::step(const at::Tensor& gradient, const Phase& phase, std::int64_t step,
                     std::int64_t steps) {
  const double rate = this->rate(phase, step, steps);
  for (const std::string& name : phase.groups) {
    const ParameterGroup& group = theta_.group(name);
    const Span span = theta_.group_span(name);
    if (span.length == 0) continue;
    const GroupUpdate how{.rate = rate * group.rate_scale,
                          .decay = group.decay.value_or(options_.weight_decay),
                          .beta1 = group.beta1.value_or(options_.beta1),
                          .count = ++counts_[name]};
    const Span mine = span.within(shard_.span);
    if (mine.length == 0) continue;
    const Span here{mine.start - shard_.span.start, mine.length};
    std::vector<at::Tensor> state;
    for (const std::string& vector : rule_->state()) state.push_back(here.of(state_.at(vector)));
    rule_->update(mine.of(theta_.flat()), here.of(gradient), state, how);
  }
  shard_.gather(theta_.flat());
}

Archive Optimizer::save() const {
  Archive out;
  for (const auto& [vector, mine] : state_) {
    at::Tensor whole = mine;
    if (mine.numel() != theta_.flat().numel()) {
      whole = at::zeros_like(theta_.flat());
      shard_.span.of(whole).copy_(mine);
    }
    shard_.gather(whole);
    out.put_params(vector, theta_.named(whole));
  }
  for (const auto& [group, count] : counts_) {
    out.put("counts/" + group, at::scalar_tensor(count, at::kLong));
  }
  return out;
}

void Optimizer::load(const Archive& archive) {
  for (auto& [vector, mine] : state_) {
    const Params saved = archive.params(vector);
    for (const auto& [name, target] : theta_.named(theta_.flat())) {
      const char* cure = "It was made with another model or optimizer: start a new run folder.";
      if (!saved.contains(name)) {
        throw Error(Fault::data, fmt::format("the checkpoint has no {} of {}", vector, name),
                    "optimizer", did_you_mean(name, saved.names()) + ' ' + cure);
      }
      const at::Tensor& value = saved.at(name);
      if (!value.sizes().equals(target.sizes())) {
        throw Error(
            Fault::data,
            fmt::format("the checkpoint's {} of {} has shape [{}] instead of [{}]", vector, name,
                        fmt::join(value.sizes(), ", "), fmt::join(target.sizes(), ", ")),
            "optimizer", cure);
      }
      const Span span = theta_.span(name), kept = span.within(shard_.span);
      const Span from{kept.start - span.start, kept.length};
      const Span to{kept.start - shard_.span.start, kept.length};
      if (kept.length > 0) to.of(mine).copy_(from.of(value.reshape({-1})));
    }
  }
  counts_.clear();
  for (const std::string& group : archive.children("counts")) {
    counts_[group] = archive.get("counts/" + group).item<std::int64_t>();
  }
}

}  // namespace metaloom
