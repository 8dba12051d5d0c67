#include "models/layers/parameter_list.h"

#include <algorithm>

namespace metaloom {

void ParameterList::matrix(const std::string& name, std::int64_t rows, std::int64_t columns) {
  all_.push_back({name, {rows, columns}, part_, Start::normal, true, layer_});
}

void ParameterList::vector(const std::string& name, std::int64_t size, Start start) {
  all_.push_back({name, {size}, part_, start, false, layer_});
}

void ParameterList::dense(const std::string& name, std::int64_t from, std::int64_t to, bool bias) {
  matrix(name + ".weight", to, from);
  if (bias) vector(name + ".bias", to, Start::zeros);
}

void ParameterList::norm(const std::string& name, std::int64_t width, bool bias) {
  vector(name + ".weight", width, Start::ones);
  if (bias) vector(name + ".bias", width, Start::zeros);
}

std::vector<Parameter> ParameterList::by_name() const {
  std::vector<Parameter> out = all_;
  std::sort(out.begin(), out.end(),
            [](const Parameter& a, const Parameter& b) { return a.name < b.name; });
  return out;
}

}  // namespace metaloom
