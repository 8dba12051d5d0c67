#include "methods/theta.h"

#include <ATen/ATen.h>

#include <map>
#include <utility>

#include "core/error.h"

namespace metaloom {

Params under(const Params& theta, std::string_view prefix) {
  Params out;
  for (const auto& [name, value] : theta) {
    if (name.starts_with(prefix)) out.set(name.substr(prefix.size()), value);
  }
  return out;
}

Params overlaid(const Params& frozen, const Params& theta) {
  return frozen.merged_with(under(theta, kModelPrefix));
}

Decays declared_decays(const Backbone& backbone) {
  std::map<std::string, bool, std::less<>> declared;
  for (const Parameter& one : backbone.parameters()) declared[kModelPrefix + one.name] = one.decays;
  return [declared = std::move(declared)](std::string_view name) {
    const auto found = declared.find(name);
    if (found != declared.end()) return found->second;
    throw Error(Fault::internal, "the backbone declares no such parameter", std::string(name));
  };
}

std::vector<ParameterGroup> groups_by_decay(const std::string& name,
                                            const std::vector<std::string>& parameters,
                                            const Decays& decays, double rate_scale) {
  ParameterGroup decayed{.name = name, .parameters = {}, .rate_scale = rate_scale};
  ParameterGroup undecayed{
      .name = name + "-undecayed", .parameters = {}, .rate_scale = rate_scale, .decay = 0.0};
  for (const std::string& parameter : parameters) {
    (decays(parameter) ? decayed : undecayed).parameters.push_back(parameter);
  }
  std::vector<ParameterGroup> out;
  for (ParameterGroup& group : {std::ref(decayed), std::ref(undecayed)}) {
    if (!group.parameters.empty()) out.push_back(std::move(group));
  }
  return out;
}

std::vector<std::string> names_of(const std::vector<ParameterGroup>& groups) {
  std::vector<std::string> out;
  out.reserve(groups.size());
  for (const ParameterGroup& group : groups) out.push_back(group.name);
  return out;
}

}  // namespace metaloom
