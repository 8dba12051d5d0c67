#include "methods/meta/scopes/vocabulary_rows.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "methods/theta.h"

namespace metaloom {
namespace {

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
  at::Tensor rms_norm(const std::string& name, const at::Tensor& x, double epsilon) const override {
    return inner_->rms_norm(name, x, epsilon);
  }
  at::Tensor tied_decoder(const std::string& name, const std::string& bias, const at::Tensor& x_ND,
                          const at::Tensor& ids) const override {
    if (!ids.defined()) throw Error(Fault::internal, "logits of all words from a cut word table");
    return inner_->tied_decoder(name, bias, x_ND, place_V_.take(ids));
  }
  at::Tensor convolution(const std::string& name, const at::Tensor& x_RLI) const override {
    return inner_->convolution(name, x_RLI);
  }
  bool contains(const std::string& name) const override { return inner_->contains(name); }
  Params trained() const override { return inner_->trained(); }
  std::unique_ptr<Weights> with(const Params& values) const override {
    return std::make_unique<SomeWords>(inner_->with(values), table_, place_V_);
  }

 private:
  std::unique_ptr<Weights> inner_;
  std::string table_;
  at::Tensor place_V_;
};

}  // namespace

VocabularyRows::VocabularyRows(const Backbone& backbone)
    : table_(backbone.word_table()),
      names_(backbone.word_rows()),
      vocabulary_(backbone.geometry().vocabulary) {}

VocabularyRows::VocabularyRows(const Backbone& backbone, const std::vector<at::Tensor>& ids)
    : VocabularyRows(backbone) {
  used_U_ = std::get<0>(at::_unique(at::cat(ids), /*sorted=*/true));
  place_V_ = at::zeros({vocabulary_}, used_U_.options());
  place_V_.index_copy_(0, used_U_, at::arange(used_U_.size(0), used_U_.options()));
}

bool VocabularyRows::cuts(const std::string& name, const at::Tensor& value,
                          std::int64_t dim) const {
  if (!used_U_.defined() || value.dim() <= dim || value.size(dim) != vocabulary_) return false;
  return std::any_of(names_.begin(), names_.end(),
                     [&](const std::string& one) { return name == kModelPrefix + one; });
}

at::Tensor VocabularyRows::taken(const std::string& name, const at::Tensor& value,
                                 std::int64_t dim) const {
  return cuts(name, value, dim) ? value.index_select(dim, used_U_) : value;
}

at::Tensor VocabularyRows::put_back(const std::string& name, const at::Tensor& rows,
                                    const at::Tensor& whole, std::int64_t dim) const {
  return cuts(name, whole, dim) ? whole.index_copy(dim, used_U_, rows) : rows;
}

at::Tensor VocabularyRows::among_zeros(const std::string& name, const at::Tensor& rows,
                                       const at::Tensor& like, std::int64_t dim) const {
  if (!cuts(name, like, dim)) return rows;
  return at::zeros_like(like).index_copy_(dim, used_U_, rows);
}

std::unique_ptr<Weights> VocabularyRows::weights(Params shared, Params own_T, std::int64_t tasks,
                                                 Products products) const {
  auto all = std::make_unique<TaskWeights>(std::move(shared), std::move(own_T), tasks, products);
  if (!used_U_.defined()) return all;
  return std::make_unique<SomeWords>(std::move(all), table_, place_V_);
}

}  // namespace metaloom
