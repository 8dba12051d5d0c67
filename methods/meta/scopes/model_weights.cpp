#include "methods/meta/scopes/model_weights.h"

#include <ATen/ATen.h>

#include "methods/cloze/template.h"
#include "methods/meta/inner/inner_optimizer.h"

namespace metaloom {
namespace {

/// The backbone's name of an entry of theta; empty where it is none of its weights.
std::string_view in_model(std::string_view name) {
  constexpr std::string_view kPrefix = kModelPrefix;
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : "";
}

}  // namespace

ModelWeightsScope::ModelWeightsScope(const ScopeIngredients& in,
                                     const std::function<bool(const Parameter&)>& chosen,
                                     double gradient_work)
    : Scope(in.pretrained),
      soft_(in.soft),
      rng_(in.rng),
      inner_rate_(in.model_inner_rate),
      rate_scale_(in.model_rate_scale),
      gradient_work_(gradient_work) {
  for (const Parameter& one : pretrained_.backbone->parameters()) {
    if (chosen(one) && pretrained_.weights.contains(one.name)) names_.insert(one.name);
  }
}

Params ModelWeightsScope::initial() const {
  Params theta;
  if (soft_.tokens > 0) theta.set(kSoftPrompt, initial_soft_PD(soft_, pretrained_, rng_));
  for (const std::string& name : names_)
    theta.set(kModelPrefix + name, pretrained_.weights.at(name));
  return theta;
}

bool ModelWeightsScope::is_fast(std::string_view name) const {
  return name == kSoftPrompt || names_.contains(in_model(name));
}

std::vector<ParameterGroup> ModelWeightsScope::groups(const Params& theta) const {
  std::vector<ParameterGroup> groups;
  if (theta.contains(kSoftPrompt)) {
    groups.push_back({.name = "prompt", .parameters = {kSoftPrompt}, .decay = 0.0});
  }
  std::vector<std::string> names;
  for (const std::string& name : names_) names.push_back(kModelPrefix + name);
  for (ParameterGroup& group :
       groups_by_decay("model", names, declared_decays(*pretrained_.backbone), rate_scale_))
    groups.push_back(std::move(group));
  return groups;
}

Params ModelWeightsScope::inner_rates(double rate) const {
  Params out;
  if (soft_.tokens > 0) out.set(kSoftPrompt, constant_rate(rate));
  for (const std::string& name : names_) out.set(kModelPrefix + name, constant_rate(inner_rate_));
  return out;
}

Reading ModelWeightsScope::reading(const Params& frozen, const Params& phi_T, std::int64_t tasks,
                                   const VocabularyRows& rows) const {
  Reading out{rows.weights(frozen, under(phi_T, kModelPrefix), tasks, pretrained_.products)};
  if (phi_T.contains(kSoftPrompt)) out.soft_TPD = phi_T.at(kSoftPrompt);
  return out;
}

}  // namespace metaloom
