// The whole model but for its pooler, which no cloze reads, and the soft prompt where the template
// has one.
#include "core/registry.h"
#include "methods/meta/scopes/model_weights.h"

namespace metaloom {
namespace {

const Register<Scope> here{"full", "the whole model, and the soft prompt if there is one",
                           [](const Table&, const ScopeIngredients& in) {
                             const auto read = [](const Parameter& parameter) {
                               return parameter.part != Part::pooler;
                             };
                             return std::make_unique<ModelWeightsScope>(in, read, 3);
                           }};

}  // namespace
}  // namespace metaloom
