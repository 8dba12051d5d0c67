// What a decoder remembers of the pieces that it has read, so that the next piece costs one
// position: the keys and values of every layer. Owned by who writes a text (models/generation/).
// Legend: R rows, K pieces remembered (padding counted), H heads, E width of a head.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>

#include "models/backbone.h"

namespace metaloom {

class Past {
 public:
  struct Heads {
    at::Tensor k_RHKE, v_RHKE;
  };

  /// What attention of layer `layer` may look at: what is remembered, then `more`, which is
  /// remembered from now on.
  Heads joined(int layer, const Heads& more);
  /// The same of a memory, which never changes: made by the first call.
  const Heads& of_memory(int layer, const std::function<Heads()>& make);
  /// Notes, once all layers have read them, that these pieces are remembered.
  void note(const Tokens& more);
  /// Applies `change`, which multiplies or picks rows, to all that is remembered.
  void map(const std::function<at::Tensor(const at::Tensor&)>& change);
  /// Row n remembers what row from_R[n] does, whose memory is the same.
  void take(const at::Tensor& from_R);

  /// 1 at pieces, 0 at padding, [R, K]; undefined before the first ones.
  const at::Tensor& token_RK() const { return token_RK_; }
  /// Pieces of each row; undefined before the first ones.
  const at::Tensor& length_R() const { return length_R_; }

 private:
  std::map<int, Heads> of_pieces_, of_memory_;
  at::Tensor token_RK_, length_R_;
};

/// 1 at the tokens of each row, 0 at its padding, [R, L], as numbers of `dtype`.
at::Tensor token_mask(const Tokens& tokens, at::ScalarType dtype);

}  // namespace metaloom
