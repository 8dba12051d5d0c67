#include "models/backbone.h"

#include <algorithm>
#include <iterator>

namespace metaloom {

Batch Batch::map(const std::function<at::Tensor(const at::Tensor&)>& change) const {
  Batch out = *this;
  std::vector<at::Tensor*> all{&out.ids_RL, &out.segments_RL, &out.length_R, &out.slot_RL,
                               &out.read_at_R};
  if (out.target) {
    all.insert(all.end(), {&out.target->ids_RL, &out.target->segments_RL, &out.target->length_R});
  }
  for (at::Tensor* each : all) {
    if (each->defined()) *each = change(*each);
  }
  return out;
}

Batch Batch::on(at::Device device) const {
  return map([&](const at::Tensor& tensor) { return tensor.to(device); });
}

std::vector<Parameter> Backbone::parameters(std::initializer_list<Part> parts) const {
  std::vector<Parameter> all = parameters(), out;
  std::copy_if(std::make_move_iterator(all.begin()), std::make_move_iterator(all.end()),
               std::back_inserter(out), [&](const Parameter& parameter) {
                 return std::find(parts.begin(), parts.end(), parameter.part) != parts.end();
               });
  return out;
}

}  // namespace metaloom
