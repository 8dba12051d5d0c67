// The soft prompt alone, before a frozen model.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/error.h"
#include "core/registry.h"
#include "methods/cloze/template.h"
#include "methods/meta/inner/inner_optimizer.h"
#include "methods/meta/scopes/scope.h"

namespace metaloom {
namespace {

class PromptScope final : public Scope {
 public:
  explicit PromptScope(const ScopeIngredients& in)
      : Scope(in.pretrained), soft_(in.soft), rng_(in.rng) {
    if (soft_.tokens > 0) return;
    throw Error(Fault::usage, "scope = \"prompt\" has nothing to learn: no soft token",
                fmt::format("method.template = \"{}\"", soft_.template_words),
                "Write <soft:8> into the template, or set method.scope = \"full\".");
  }

  Params initial() const override {
    Params theta;
    theta.set(kSoftPrompt, initial_soft_PD(soft_, pretrained_, rng_));
    return theta;
  }
  bool is_fast(std::string_view name) const override { return name == kSoftPrompt; }
  std::vector<ParameterGroup> groups(const Params&) const override {
    return {{.name = "prompt", .parameters = {kSoftPrompt}, .decay = 0.0}};
  }
  Params inner_rates(double rate) const override {
    Params out;
    out.set(kSoftPrompt, constant_rate(rate));
    return out;
  }
  double gradient_work() const override { return 2; }
  Reading reading(const Params& frozen, const Params& phi_T, std::int64_t,
                  const VocabularyRows&) const override {
    return {std::make_unique<SharedWeights>(frozen, pretrained_.products), phi_T.at(kSoftPrompt)};
  }

 private:
  SoftPrompt soft_;
  Rng rng_;
};

const Register<Scope> here{
    "prompt", "the soft prompt before a frozen model",
    [](const Table&, const ScopeIngredients& in) { return std::make_unique<PromptScope>(in); }};

}  // namespace
}  // namespace metaloom
