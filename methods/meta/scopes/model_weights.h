// Scopes that adapt weights of the model as they are: all of them, or those of a part. A scope of
// that kind only says which.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "methods/meta/scopes/scope.h"

namespace metaloom {

class ModelWeightsScope final : public Scope {
 public:
  /// The soft prompt, where the template has one, and of the model's weights those whose parameter
  /// `chosen` takes. `gradient_work`: see Scope.
  ModelWeightsScope(const ScopeIngredients& in,
                    const std::function<bool(const Parameter& parameter)>& chosen,
                    double gradient_work);

  Params initial() const override;
  bool is_fast(std::string_view name) const override;
  std::vector<ParameterGroup> groups(const Params& theta) const override;
  Params inner_rates(double rate) const override;
  double gradient_work() const override { return gradient_work_; }
  Reading reading(const Params& frozen, const Params& phi_T, std::int64_t tasks,
                  const VocabularyRows& rows) const override;

 private:
  SoftPrompt soft_;
  Rng rng_;
  double inner_rate_, rate_scale_, gradient_work_;
  std::set<std::string, std::less<>> names_;  // the backbone's, of the weights that are fast
};

}  // namespace metaloom
