#include "launcher/verb.h"

#include <fmt/format.h>

#include "core/error.h"

namespace metaloom {

std::string only_target(const Arguments& arguments, const std::string& verb,
                        const std::string& what) {
  if (arguments.targets.size() == 1) return arguments.targets[0];
  throw Error(Fault::usage,
              arguments.targets.empty() ? fmt::format("metaloom {} needs {}", verb, what)
                                        : fmt::format("metaloom {} takes one target, not {}", verb,
                                                      arguments.targets.size()),
              "command line", fmt::format("See metaloom {} --help.", verb));
}

std::pair<Table, std::vector<std::string>> own_assignments(const Arguments& arguments,
                                                           const std::string& prefix) {
  std::pair<Table, std::vector<std::string>> out;
  for (const std::string& assignment : arguments.assignments) {
    if (assignment.starts_with(prefix + ".")) {
      out.first.assign(assignment.substr(prefix.size() + 1));
    } else {
      out.second.push_back(assignment);
    }
  }
  return out;
}

}  // namespace metaloom
