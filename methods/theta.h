// theta by name: the trained weights of the backbone in it, and the groups the optimizer treats
// alike.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/params.h"
#include "models/backbone.h"

namespace metaloom {

/// The prefix of trained weights of the backbone in theta.
inline constexpr const char* kModelPrefix = "model.";

/// Parameters that are trained together, with what the optimizer needs to know of them.
struct ParameterGroup {
  std::string name;
  std::vector<std::string> parameters;  // names in theta
  double rate_scale = 1;                // times the schedule's learning rate
  // Instead of the optimizer's weight decay, and of its first moment (Adam):
  std::optional<double> decay = std::nullopt, beta1 = std::nullopt;
};

/// The entries of theta whose names begin with `prefix`, by what follows it.
Params under(const Params& theta, std::string_view prefix);
/// The backbone's weights with theta's "model.<name>" laid over them, named as the backbone wants.
Params overlaid(const Params& frozen, const Params& theta);
/// Whether weight decay is for an entry of theta, by its name.
using Decays = std::function<bool(std::string_view name)>;
/// What the backbone declares of its parameters, which theta calls "model.<name>".
Decays declared_decays(const Backbone& backbone);
/// Two groups of `parameters` of theta, "`name`" and "`name`-undecayed". An empty group is left
/// out.
std::vector<ParameterGroup> groups_by_decay(const std::string& name,
                                            const std::vector<std::string>& parameters,
                                            const Decays& decays, double rate_scale = 1);
/// The names of such groups that stand in `groups`: what a Phase lists.
std::vector<std::string> names_of(const std::vector<ParameterGroup>& groups);

}  // namespace metaloom
