#include "models/generation/generation.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "models/generation/beams.h"
#include "models/generation/writing.h"

namespace metaloom {
namespace {

using Texts = std::vector<std::vector<std::int64_t>>;

void check_number(const char* what, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most) return;
  throw Error(Fault::data, std::string(what) + " is " + std::to_string(value), "generation",
              "Give a number from " + std::to_string(least) + " to " + std::to_string(most));
}

void check(const Backbone& backbone, const Batch& batch, const GenerationOptions& options) {
  const auto& [width, layers, heads, inner, vocabulary, positions] = backbone.geometry();
  check_number("the number of pieces", options.most, 1, positions);
  check_number("the least number of pieces", options.least, 0, options.most);
  check_number("the length of what is not repeated", options.no_repeat, 0, positions);
  check_number("the padding", options.padding, 0, vocabulary - 1);
  if (!std::isfinite(options.length_penalty)) {
    throw Error(Fault::data, "the length penalty is no finite number", "generation",
                "Give 1, or what the model was trained with");
  }
  check_number("the number of beams", options.beams, 1, vocabulary / 2);
  for (const std::int64_t end : options.ends)
    check_number("a piece that ends a text", end, 0, vocabulary - 1);
  for (const std::optional<std::int64_t>& forced : {options.forced_first, options.forced_last}) {
    if (forced) check_number("a forced piece", *forced, 0, vocabulary - 1);
  }
  if (backbone.decoder() == nullptr) return;  // refused by Writing
  // The last piece that is written is not read.
  const std::int64_t before =
      backbone.decoder()->first() ? 1 : batch.length_R.max().item<std::int64_t>();
  if (before + options.most - 1 <= positions) return;
  throw Error(Fault::data,
              std::to_string(options.most) + " pieces after " + std::to_string(before) +
                  " for a model of " + std::to_string(positions) + " positions",
              "batch", "Ask for fewer pieces, or give shorter texts");
}

Texts write_greedily(Writing& writing, const GenerationOptions& options) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(writing.rows()));
  for (std::size_t n = 0; n < rows.size(); ++n) rows[n] = static_cast<std::int64_t>(n);
  Texts texts(rows.size());
  std::vector<bool> done(rows.size(), false);
  while (writing.written() < options.most && std::ranges::count(done, false) > 0) {
    at::Tensor scores_NV = writing.logits();
    writing.constrain(scores_NV);
    const at::Tensor ids_N = scores_NV.argmax(1).cpu();
    std::vector<std::int64_t> ids(rows.size(), options.padding);
    for (std::size_t n = 0; n < rows.size(); ++n) {
      if (done[n]) continue;
      ids[n] = ids_N[static_cast<std::int64_t>(n)].item<std::int64_t>();
      texts[n].push_back(ids[n]);
      done[n] = std::ranges::count(options.ends, ids[n]) > 0;
    }
    writing.write(rows, ids);
  }
  return texts;
}

// Candidates of all rows, the best of each first.
std::vector<std::vector<Beams::Candidate>> candidates_of(const at::Tensor& scores_NV,
                                                         const std::vector<Beams>& rows,
                                                         const GenerationOptions& options) {
  const std::int64_t vocabulary = scores_NV.size(1);
  std::vector<float> before;
  for (const Beams& beams : rows) {
    for (const Beams::Candidate& beam : beams.running()) before.push_back(beam.score);
  }
  const at::Tensor all_RX =
      (scores_NV + at::tensor(before, at::kFloat).to(scores_NV.device()).unsqueeze(1))
          .view({static_cast<std::int64_t>(rows.size()), -1});
  const auto [best_RC, place_RC] = all_RX.topk(Beams::candidates(options), 1);
  const at::Tensor scores_RC = best_RC.cpu(), places_RC = place_RC.cpu();
  const auto score = scores_RC.accessor<float, 2>();
  const auto place = places_RC.accessor<std::int64_t, 2>();
  std::vector<std::vector<Beams::Candidate>> out(rows.size());
  for (std::int64_t r = 0; r < scores_RC.size(0); ++r) {
    for (std::int64_t c = 0; c < scores_RC.size(1); ++c) {
      out[static_cast<std::size_t>(r)].push_back(
          {score[r][c], place[r][c] / vocabulary, place[r][c] % vocabulary});
    }
  }
  return out;
}

Texts write_by_beams(Writing& writing, const GenerationOptions& options) {
  std::vector<Beams> rows(static_cast<std::size_t>(writing.rows()), Beams(options));
  while (std::ranges::count_if(rows, [](const Beams& beams) { return !beams.done(); }) > 0) {
    at::Tensor scores_NV = writing.logits();
    if (writing.written() == 0) {
      writing.spread(options.beams);
      scores_NV = scores_NV.repeat_interleave(options.beams, 0);
    }
    scores_NV = scores_NV.log_softmax(1);
    writing.constrain(scores_NV);
    const auto candidates = candidates_of(scores_NV, rows, options);
    std::vector<std::int64_t> from, ids;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const std::int64_t first = static_cast<std::int64_t>(r) * options.beams;
      const auto text_of = [&](std::int64_t beam) { return writing.text(first + beam); };
      rows[r].take(candidates[r], writing.written(), text_of);
      for (const Beams::Candidate& beam : rows[r].running()) {
        from.push_back(first + beam.beam);
        ids.push_back(beam.id);
      }
    }
    writing.write(from, ids);
  }
  Texts texts;
  for (const Beams& beams : rows) texts.push_back(beams.best().ids);
  return texts;
}

Tokens padded(const Texts& texts, std::int64_t padding, at::Device device) {
  std::size_t longest = 0;
  for (const std::vector<std::int64_t>& text : texts) longest = std::max(longest, text.size());
  std::vector<std::int64_t> ids, lengths;
  Tokens out;
  for (const std::vector<std::int64_t>& text : texts) {
    ids.insert(ids.end(), text.begin(), text.end());
    ids.insert(ids.end(), longest - text.size(), padding);
    lengths.push_back(static_cast<std::int64_t>(text.size()));
    out.tokens += lengths.back();
  }
  out.ids_RL =
      at::tensor(ids, at::kLong)
          .view({static_cast<std::int64_t>(texts.size()), static_cast<std::int64_t>(longest)})
          .to(device);
  out.length_R = at::tensor(lengths, at::kLong).to(device);
  return out;
}

}  // namespace

Tokens generate(const Backbone& backbone, const Weights& weights, const Batch& batch,
                const GenerationOptions& options, const ForwardOptions& forward) {
  const c10::NoGradGuard no_grad;
  check(backbone, batch, options);
  Writing writing(backbone, weights, batch, options, forward);
  const Texts texts =
      options.beams == 1 ? write_greedily(writing, options) : write_by_beams(writing, options);
  return padded(texts, options.padding, batch.ids_RL.device());
}

}  // namespace metaloom
