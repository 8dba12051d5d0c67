#include "methods/meta/scopes/scope.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/registry.h"

namespace metaloom {

Table keys_of_scope(const std::string& name) {
  const auto& having_some = Registry<ScopeOptions>::entries();
  const auto found = having_some.find(name);
  return found == having_some.end() ? Table() : found->second.make();
}

at::Tensor for_each_task(const at::Tensor& value, std::int64_t tasks) {
  std::vector<std::int64_t> shape{tasks};
  shape.insert(shape.end(), value.sizes().begin(), value.sizes().end());
  return value.unsqueeze(0).expand(shape);
}

ForwardOptions Reading::options(const Pretrained& model) const {
  ForwardOptions out = model.forward();
  out.soft_TPD = soft_TPD;
  out.prompts = prompts.get();
  return out;
}

VocabularyRows Scope::rows(const std::vector<at::Tensor>& ids) const {
  const Backbone& backbone = *pretrained_.backbone;
  // One of them alone has to keep all its rows: the others are read by the vocabulary's numbers.
  const std::vector<std::string> names = backbone.word_rows();
  const bool all = std::all_of(names.begin(), names.end(), [this](const std::string& name) {
    return is_fast(kModelPrefix + name);
  });
  return all ? VocabularyRows(backbone, ids) : VocabularyRows(backbone);
}

Params Scope::fast(const Params& theta, std::int64_t tasks, const VocabularyRows& rows) const {
  Params out;
  for (const auto& [name, value] : theta) {
    if (is_fast(name)) out.set(name, for_each_task(rows.taken(name, value.detach(), 0), tasks));
  }
  return out;
}

Params Scope::summed(const Params& gradient_T, const at::Tensor& keep_T, const Params& theta,
                     const VocabularyRows& rows) const {
  Params out;
  for (const auto& [name, value_T] : gradient_T) {
    const at::Tensor sum = value_T.index_select(0, keep_T).sum(0);
    out.set(name, rows.among_zeros(name, sum, theta.at(name), 0));
  }
  return out;
}

Params Scope::adapted(const Params& phi_T, const Params& theta, const VocabularyRows& rows) const {
  Params out = theta;
  for (const auto& [name, value_T] : phi_T)
    out.set(name, rows.put_back(name, value_T.select(0, 0), theta.at(name), 0));
  return out;
}

}  // namespace metaloom
