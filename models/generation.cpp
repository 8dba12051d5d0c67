#include "models/generation.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "core/error.h"

namespace metaloom {
namespace {

// One piece of each row.
Batch one_each(const at::Tensor& ids_R, std::int64_t tasks) {
  Batch out;
  out.ids_RL = ids_R.unsqueeze(1);
  out.length_R = at::ones_like(ids_R);
  out.tokens = ids_R.size(0);
  out.tasks = tasks;
  return out;
}

const Decoder& decoder_of(const Backbone& backbone) {
  if (backbone.decoder() != nullptr) return *backbone.decoder();
  throw Error(Fault::data, "the model writes no texts", "backbone",
              "Use one that does: a causal model, or one with encoder and decoder");
}

void check_room(const Backbone& backbone, const Batch& batch, const GenerationOptions& options,
                bool after_text) {
  if (options.most < 1) {
    throw Error(Fault::internal, "texts of " + std::to_string(options.most) + " pieces");
  }
  // The last piece that is written is not read.
  const std::int64_t before = after_text ? batch.length_R.max().item<std::int64_t>() : 1;
  const std::int64_t positions = backbone.geometry().positions;
  if (before + options.most - 1 <= positions) return;
  throw Error(Fault::data,
              std::to_string(options.most) + " pieces after " + std::to_string(before) +
                  " for a model of " + std::to_string(positions) + " positions",
              "batch", "Ask for fewer pieces, or give shorter texts");
}

}  // namespace

Tokens write_greedily(const Backbone& backbone, const Weights& weights, const Batch& batch,
                      const GenerationOptions& options, const ForwardOptions& forward) {
  const c10::NoGradGuard no_grad;
  const Decoder& decoder = decoder_of(backbone);
  const std::optional<std::int64_t> first = decoder.first();
  check_room(backbone, batch, options, !first);
  ForwardOptions extended;
  extended.attention = forward.attention;
  if (!first) {
    extended.soft_TPD = forward.soft_TPD;
    extended.prompts = forward.prompts;  // refused
  }
  const at::Tensor memory_RSD = decoder.memory(weights, batch, forward);
  Batch more = first ? one_each(at::full_like(batch.length_R, *first), batch.tasks) : batch;
  more.target.reset();
  Past past;
  std::vector<at::Tensor> written;
  at::Tensor done_R = at::zeros_like(batch.length_R, at::kBool);
  at::Tensor length_R = at::zeros_like(batch.length_R);
  for (std::int64_t n = 0; n < options.most; ++n) {
    extended.keep_R = more.length_R - 1;
    const at::Tensor states_RD = decoder.extend(weights, memory_RSD, batch, more, past, extended);
    at::Tensor ids_R = backbone.word_logits(weights, states_RD, {}).argmax(1);
    if (n == 0 && options.forced_first) ids_R.fill_(*options.forced_first);
    if (n + 1 == options.most && options.forced_last) ids_R.fill_(*options.forced_last);
    ids_R = ids_R.masked_fill(done_R, options.padding);
    written.push_back(ids_R);
    length_R = length_R + done_R.logical_not();
    for (const std::int64_t end : options.ends) done_R = done_R.logical_or(ids_R == end);
    if (done_R.all().item<bool>()) break;
    more = one_each(ids_R, batch.tasks);
    extended.soft_TPD = at::Tensor();
  }
  const std::int64_t tokens = length_R.sum().item<std::int64_t>();
  return {
      .ids_RL = at::stack(written, 1), .segments_RL = {}, .length_R = length_R, .tokens = tokens};
}

}  // namespace metaloom
