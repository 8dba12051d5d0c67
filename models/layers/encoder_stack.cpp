#include "models/layers/encoder_stack.h"

#include <ATen/ATen.h>

#include <optional>

#include "core/error.h"
#include "models/layers/recompute.h"
#include "models/layers/sights.h"
#include "models/past.h"

namespace metaloom {
namespace {

// text_RLD are the states at the input of options.first_layer; runs the layers below `last`.
at::Tensor run_layers(const EncoderStack& stack, const Batch& batch, const ForwardOptions& options,
                      at::Tensor text_RLD, int last) {
  const at::Tensor mask_RL = token_mask(batch, text_RLD.scalar_type());
  Sights sights(batch, mask_RL);
  std::optional<Recompute> again;
  if (options.recompute) again.emplace(stack.context);
  const auto layer = [&](int n, const at::Tensor& x_RKD, const Sight& sight,
                         const at::Tensor& keep_R) {
    if (!again) return stack.layer(stack.context, n, x_RKD, sight, keep_R);
    return (*again)(
        [run = stack.layer, n, sight, keep_R](const LayerContext& context, const at::Tensor& x) {
          return run(context, n, x, sight, keep_R);
        },
        x_RKD);
  };
  at::Tensor below_RPD;
  for (int n = options.first_layer; n < last; ++n) {
    if (options.prompts != nullptr) {
      below_RPD = options.prompts->at(n, text_RLD, mask_RL, below_RPD);
    }
    const std::int64_t prompt = below_RPD.defined() ? below_RPD.size(1) : 0;
    const Reach reach = stack.reach ? stack.reach(n) : Reach{};
    const at::Tensor x_RKD = prompt > 0 ? at::cat({below_RPD, text_RLD}, 1) : text_RLD;
    if (n + 1 == stack.layers && options.keep_R.defined()) {
      const at::Tensor keep_R = options.keep_R + prompt;
      return layer(n, x_RKD, sights.of(reach, prompt, keep_R), keep_R).squeeze(1);
    }
    text_RLD = layer(n, x_RKD, sights.of(reach, prompt, {}), {});
    if (prompt > 0) {
      below_RPD = text_RLD.narrow(1, 0, prompt);
      text_RLD = text_RLD.narrow(1, prompt, text_RLD.size(1) - prompt);
    }
  }
  return options.keep_R.defined() ? kept(text_RLD, options.keep_R).squeeze(1) : text_RLD;
}

}  // namespace

at::Tensor EncoderStack::run(const Batch& batch, const ForwardOptions& options,
                             const at::Tensor& text_RLD) const {
  return run_layers(*this, batch, options, text_RLD, layers);
}

at::Tensor EncoderStack::run_below(const Batch& batch, const at::Tensor& text_RLD, int last) const {
  return run_layers(*this, batch, ForwardOptions{}, text_RLD, last);
}

void check_pass(const Batch& batch, const ForwardOptions& options, int layers) {
  if (options.first_layer < 0 || options.first_layer > layers ||
      (options.first_layer > 0) != options.hidden_RLD.defined()) {
    throw Error(Fault::internal, "a forward pass from layer " +
                                     std::to_string(options.first_layer) + " of " +
                                     std::to_string(layers) + " needs that layer's states");
  }
  if (options.prompts != nullptr && options.prompts->lowest() < options.first_layer) {
    throw Error(Fault::internal, "prompts at layer " + std::to_string(options.prompts->lowest()) +
                                     " below the first layer that is run");
  }
  if (batch.rows() % batch.tasks != 0) {
    throw Error(Fault::internal, std::to_string(batch.rows()) + " rows do not divide by " +
                                     std::to_string(batch.tasks) + " tasks");
  }
  if (options.first_layer == 0 && batch.slot_RL.defined() && !options.soft_TPD.defined()) {
    throw Error(Fault::internal, "a batch with soft tokens needs their values");
  }
}

void check_prefix(const Batch& batch, int layer, int layers) {
  if (layer < 0 || layer > layers) {
    throw Error(Fault::internal, "there is no layer " + std::to_string(layer));
  }
  if (batch.slot_RL.defined()) {
    throw Error(Fault::internal, "a prefix cannot hold soft tokens: they are trained");
  }
}

at::Tensor with_soft_tokens(const at::Tensor& words_RLD, const Batch& batch,
                            const at::Tensor& soft_TPD) {
  if (!soft_TPD.defined() || !batch.slot_RL.defined()) return words_RLD;
  const std::int64_t rows = batch.rows(), tasks = soft_TPD.size(0), count = soft_TPD.size(1);
  if (tasks != 1 && tasks != batch.tasks) {
    throw Error(Fault::internal, "soft tokens of " + std::to_string(tasks) +
                                     " tasks in a batch of " + std::to_string(batch.tasks));
  }
  const at::Tensor is_soft_RL1 = (batch.slot_RL >= 0).unsqueeze(-1);
  at::Tensor index_RL = batch.slot_RL.clamp_min(0);
  if (tasks > 1) {
    const at::Tensor task_R1 =
        at::arange(rows, batch.slot_RL.options()).floor_divide(rows / tasks).unsqueeze(1);
    index_RL = index_RL + task_R1 * count;
  }
  return at::where(is_soft_RL1, at::embedding(soft_TPD.flatten(0, 1), index_RL), words_RLD);
}

Dropout dropout_of(const Batch& batch, const ForwardOptions& options) {
  std::vector<Rng> streams = options.dropout_by_task;
  if (streams.empty() && options.dropout != nullptr) {
    for (std::int64_t task = 0; task < batch.tasks; ++task) {
      streams.push_back(options.dropout->at({task}));
    }
  }
  if (!streams.empty() && static_cast<std::int64_t>(streams.size()) != batch.tasks) {
    throw Error(Fault::internal, std::to_string(streams.size()) + " dropout streams for " +
                                     std::to_string(batch.tasks) + " tasks");
  }
  return Dropout(std::move(streams), options.dropout_rate);
}

}  // namespace metaloom
