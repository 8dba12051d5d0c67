#include "models/layers/parameter_list.h"

#include <algorithm>
#include <utility>

namespace metaloom {

void ParameterList::weight(const std::string& name, std::vector<std::int64_t> shape) {
  all_.push_back({name, std::move(shape), part_, Start::normal, true, layer_});
}

void ParameterList::matrix(const std::string& name, std::int64_t rows, std::int64_t columns) {
  weight(name, {rows, columns});
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
