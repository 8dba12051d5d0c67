#include "models/backbone.h"

#include <algorithm>
#include <iterator>

namespace metaloom {

std::vector<Parameter> Backbone::parameters(std::initializer_list<Part> parts) const {
  std::vector<Parameter> all = parameters(), out;
  std::copy_if(std::make_move_iterator(all.begin()), std::make_move_iterator(all.end()),
               std::back_inserter(out), [&](const Parameter& parameter) {
                 return std::find(parts.begin(), parts.end(), parameter.part) != parts.end();
               });
  return out;
}

}  // namespace metaloom
