#include "sampler/families/family_traits.h"

#include "core/registry.h"

namespace metaloom {

FamilyTraits traits_of(const DatasetInfo& dataset) {
  return Registry<FamilyTraits>::make(dataset.family);
}

}  // namespace metaloom
