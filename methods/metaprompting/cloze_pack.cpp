#include "methods/metaprompting/cloze_pack.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "core/error.h"
#include "methods/labels.h"
#include "methods/method.h"

namespace metaloom {
namespace {

/// Whether a fast weight has one row per word of the vocabulary.
bool by_word(const Backbone& backbone, std::string_view name) {
  constexpr std::string_view kPrefix = kModelPrefix;
  if (!name.starts_with(kPrefix)) return false;
  name.remove_prefix(kPrefix.size());
  return name == backbone.word_table() || name == backbone.word_bias();
}

/// Weights whose word table holds only some rows of the vocabulary: ids are translated on the way.
class SomeWords final : public Weights {
 public:
  SomeWords(std::unique_ptr<Weights> inner, std::string table, at::Tensor place_V)
      : inner_(std::move(inner)), table_(std::move(table)), place_V_(std::move(place_V)) {}

  at::Tensor linear(const std::string& name, const at::Tensor& x) const override {
    return inner_->linear(name, x);
  }
  at::Tensor embedding(const std::string& name, const at::Tensor& ids_RL) const override {
    if (name + ".weight" != table_) return inner_->embedding(name, ids_RL);
    return inner_->embedding(name, place_V_.take(ids_RL));
  }
  at::Tensor layer_norm(const std::string& name, const at::Tensor& x,
                        double epsilon) const override {
    return inner_->layer_norm(name, x, epsilon);
  }
  at::Tensor tied_decoder(const std::string& name, const std::string& bias, const at::Tensor& x_ND,
                          const at::Tensor& ids) const override {
    if (!ids.defined()) throw Error(Fault::internal, "logits of all words from a cut word table");
    return inner_->tied_decoder(name, bias, x_ND, place_V_.take(ids));
  }
  bool contains(const std::string& name) const override { return inner_->contains(name); }

 private:
  std::unique_ptr<Weights> inner_;
  std::string table_;
  at::Tensor place_V_;
};

}  // namespace

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

ClozePack::ClozePack(const Backbone& backbone, Params frozen, const Template& frame,
                     const std::vector<Task>& pack, const ClassPieces& pieces,
                     const std::vector<std::int64_t>& parts)
    : backbone_(backbone),
      frozen_(std::move(frozen)),
      tasks_(static_cast<std::int64_t>(pack.size())),
      device_(frozen_.at(backbone.word_table()).device()),
      query_(framed(frame, pack, &Task::query)),
      verbaliser_(pack, pieces) {
  frame_support(frame, pack, parts);
  std::vector<at::Tensor> ids{verbaliser_.word_ids_C().to(device_)};
  const auto take = [&](const Side& side) {
    if (side.batch.ids_RL.defined()) ids.push_back(side.batch.ids_RL.flatten());
  };
  for (const Side& part : support_) take(part);
  take(query_);
  used_U_ = std::get<0>(at::_unique(at::cat(ids), /*sorted=*/true));
  place_V_ = at::zeros({backbone.geometry().vocabulary}, used_U_.options());
  place_V_.index_copy_(0, used_U_, at::arange(used_U_.size(0), used_U_.options()));
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
  side.batch = frame.frame(all, tasks_).on(device_);
  side.label_R = labels_of(labelled, device_);
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
  Params out;
  for (const auto& [name, value] : theta) {
    const at::Tensor rows =
        by_word(backbone_, name) ? value.detach().index_select(0, used_U_) : value.detach();
    std::vector<std::int64_t> shape{tasks_};
    shape.insert(shape.end(), rows.sizes().begin(), rows.sizes().end());
    out.set(name, rows.unsqueeze(0).expand(shape));
  }
  return out;
}

Params ClozePack::summed(const Params& values_T, const at::Tensor& keep_T,
                         const Params& theta) const {
  Params out;
  for (const auto& [name, value_T] : values_T) {
    const at::Tensor sum = value_T.index_select(0, keep_T).sum(0);
    out.set(name, by_word(backbone_, name)
                      ? at::zeros_like(theta.at(name)).index_copy_(0, used_U_, sum)
                      : sum);
  }
  return out;
}

Params ClozePack::adapted(const Params& phi_T, const Params& theta) const {
  Params out = theta;
  for (const auto& [name, value_T] : phi_T) {
    const at::Tensor value = value_T.select(0, 0);
    out.set(name, by_word(backbone_, name) ? theta.at(name).index_copy(0, used_U_, value) : value);
  }
  return out;
}

at::Tensor ClozePack::logits_RN(const Params& phi_T, const Batch& batch,
                                Attention attention) const {
  constexpr std::string_view kPrefix = kModelPrefix;
  Params own;
  for (const auto& [name, value] : phi_T)
    if (name.starts_with(kPrefix)) own.set(name.substr(kPrefix.size()), value);
  std::unique_ptr<Weights> weights;
  if (own.empty()) {
    weights = std::make_unique<SharedWeights>(frozen_);
  } else {
    weights = std::make_unique<SomeWords>(std::make_unique<TaskWeights>(frozen_, own, tasks_),
                                          backbone_.word_table(), place_V_);
  }
  ForwardOptions options;
  options.attention = attention;
  options.keep_R = batch.mask_at_R;
  if (phi_T.contains(kSoftPrompt)) options.soft_TPD = phi_T.at(kSoftPrompt);
  return verbaliser_.logits(backbone_, *weights, backbone_.encode(*weights, batch, options));
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
