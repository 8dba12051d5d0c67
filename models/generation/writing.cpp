#include "models/generation/writing.h"

#include <ATen/ATen.h>

#include <limits>
#include <utility>

#include "core/error.h"

namespace metaloom {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

const Decoder& decoder_of(const Backbone& backbone) {
  if (backbone.decoder() != nullptr) return *backbone.decoder();
  throw Error(Fault::data, "the model writes no texts", "backbone",
              "Use one that does: a causal model, or one with encoder and decoder");
}

// One piece of each row.
Batch one_each(const at::Tensor& ids_N, std::int64_t tasks) {
  Batch out;
  out.ids_RL = ids_N.unsqueeze(1);
  out.length_R = at::ones_like(ids_N);
  out.tokens = ids_N.size(0);
  out.tasks = tasks;
  return out;
}

// What each row reads before it writes.
std::vector<std::vector<std::int64_t>> pieces_of(const Tokens& tokens) {
  const at::Tensor ids_RL = tokens.ids_RL.cpu().contiguous(), length_R = tokens.length_R.cpu();
  std::vector<std::vector<std::int64_t>> out;
  for (std::int64_t r = 0; r < tokens.rows(); ++r) {
    const std::int64_t* ids = ids_RL.const_data_ptr<std::int64_t>() + r * ids_RL.size(1);
    out.emplace_back(ids, ids + length_R[r].item<std::int64_t>());
  }
  return out;
}

void allow_only(at::Tensor& scores_NV, std::int64_t id) {
  scores_NV.fill_(kNever);
  scores_NV.select(1, id).zero_();
}

}  // namespace

Writing::Writing(const Backbone& backbone, const Weights& weights, const Batch& batch,
                 const GenerationOptions& options, const ForwardOptions& forward)
    : backbone_(backbone),
      decoder_(decoder_of(backbone)),
      weights_(weights),
      options_(options),
      text_(batch) {
  text_.target.reset();
  const std::optional<std::int64_t> first = decoder_.first();
  more_ = first ? one_each(at::full_like(batch.length_R, *first), batch.tasks) : text_;
  extended_.attention = forward.attention;
  if (!first) {
    extended_.soft_TPD = forward.soft_TPD;
    extended_.prompts = forward.prompts;  // refused
  }
  memory_RSD_ = decoder_.memory(weights, text_, forward);
  read_ = pieces_of(more_);
}

at::Tensor Writing::logits() {
  extended_.keep_R = more_.length_R - 1;
  const at::Tensor states_ND =
      decoder_.extend(weights_, memory_RSD_, text_, more_, past_, extended_);
  extended_.soft_TPD = at::Tensor();
  return backbone_.word_logits(weights_, states_ND, {}).to(at::kFloat);
}

void Writing::constrain(at::Tensor& scores_NV) const {
  if (options_.no_repeat > 0) ban_repetition(scores_NV);
  if (written_ < options_.least) {
    for (const std::int64_t end : options_.ends) scores_NV.select(1, end).fill_(kNever);
  }
  if (written_ == 0 && options_.forced_first) allow_only(scores_NV, *options_.forced_first);
  if (written_ + 1 == options_.most && options_.forced_last) {
    allow_only(scores_NV, *options_.forced_last);
  }
}

// The last n - 1 pieces may not be followed by what followed them before (Paulus et al. 2018, 2.5).
void Writing::ban_repetition(at::Tensor& scores_NV) const {
  std::vector<std::int64_t> rows, ids;
  for (std::size_t row = 0; row < read_.size(); ++row) {
    const std::vector<std::int64_t>& read = read_[row];
    const auto n = static_cast<std::ptrdiff_t>(options_.no_repeat);
    const auto size = static_cast<std::ptrdiff_t>(read.size());
    for (std::ptrdiff_t at = 0; at + n <= size; ++at) {
      if (!std::equal(read.end() - (n - 1), read.end(), read.begin() + at)) continue;
      rows.push_back(static_cast<std::int64_t>(row));
      ids.push_back(read[static_cast<std::size_t>(at + n - 1)]);
    }
  }
  if (rows.empty()) return;
  const auto indices = [&](const std::vector<std::int64_t>& of) {
    return at::tensor(of, at::kLong).to(scores_NV.device());
  };
  scores_NV.index_put_({indices(rows), indices(ids)}, at::full({}, kNever, scores_NV.options()));
}

void Writing::spread(std::int64_t copies) {
  const auto copied = [&](const at::Tensor& x) { return x.repeat_interleave(copies, 0); };
  text_ = text_.map(copied);
  text_.tokens *= copies;
  if (memory_RSD_.defined()) memory_RSD_ = copied(memory_RSD_);
  past_.map(copied);
  std::vector<std::vector<std::int64_t>> all;
  for (const std::vector<std::int64_t>& read : read_) {
    all.insert(all.end(), static_cast<std::size_t>(copies), read);
  }
  read_ = std::move(all);
}

void Writing::write(const std::vector<std::int64_t>& from, const std::vector<std::int64_t>& ids) {
  bool moved = false;
  std::vector<std::vector<std::int64_t>> read;
  for (std::size_t n = 0; n < from.size(); ++n) {
    moved = moved || from[n] != static_cast<std::int64_t>(n);
    read.push_back(read_[static_cast<std::size_t>(from[n])]);
    read.back().push_back(ids[n]);
  }
  read_ = std::move(read);
  ++written_;
  const at::Device device = text_.ids_RL.device();
  if (moved) past_.take(at::tensor(from, at::kLong).to(device));
  more_ = one_each(at::tensor(ids, at::kLong).to(device), text_.tasks);
}

std::vector<std::int64_t> Writing::text(std::int64_t n) const {
  const std::vector<std::int64_t>& read = read_[static_cast<std::size_t>(n)];
  return {read.end() - written_, read.end()};
}

}  // namespace metaloom
