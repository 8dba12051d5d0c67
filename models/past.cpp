#include "models/past.h"

#include <ATen/ATen.h>

namespace metaloom {

Past::Heads Past::joined(int layer, const Heads& more) {
  Heads& all = of_pieces_[layer];
  all = all.k_RHKE.defined()
            ? Heads{at::cat({all.k_RHKE, more.k_RHKE}, 2), at::cat({all.v_RHKE, more.v_RHKE}, 2)}
            : more;
  return all;
}

const Past::Heads& Past::of_memory(int layer, const std::function<Heads()>& make) {
  const auto found = of_memory_.find(layer);
  return found != of_memory_.end() ? found->second
                                   : of_memory_.emplace(layer, make()).first->second;
}

void Past::note(const Tokens& more) {
  const at::Tensor token_RL = token_mask(more, at::kBool);
  token_RK_ = token_RK_.defined() ? at::cat({token_RK_, token_RL}, 1) : token_RL;
  length_R_ = length_R_.defined() ? length_R_ + more.length_R : more.length_R;
}

void Past::map(const std::function<at::Tensor(const at::Tensor&)>& change) {
  for (std::map<int, Heads>* all : {&of_pieces_, &of_memory_}) {
    for (auto& [layer, heads] : *all) heads = {change(heads.k_RHKE), change(heads.v_RHKE)};
  }
  if (!token_RK_.defined()) return;
  token_RK_ = change(token_RK_);
  length_R_ = change(length_R_);
}

void Past::take(const at::Tensor& from_R) {
  const auto taken = [&](const at::Tensor& x) { return x.index_select(0, from_R); };
  for (auto& [layer, heads] : of_pieces_) heads = {taken(heads.k_RHKE), taken(heads.v_RHKE)};
  if (!token_RK_.defined()) return;
  token_RK_ = taken(token_RK_);
  length_R_ = taken(length_R_);
}

at::Tensor token_mask(const Tokens& tokens, at::ScalarType dtype) {
  const at::Tensor place_L = at::arange(tokens.ids_RL.size(1), tokens.length_R.options());
  return (place_L.unsqueeze(0) < tokens.length_R.unsqueeze(1)).to(dtype);
}

}  // namespace metaloom
