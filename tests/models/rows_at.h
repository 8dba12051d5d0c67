// The prompt rows of a test: `rows` at `position`, handed on unchanged above it.
#pragma once

#include <utility>

#include "models/backbone.h"

namespace metaloom::testing {

class RowsAt final : public LayerPrompts {
 public:
  RowsAt(int position, at::Tensor rows_RPD) : position_(position), rows_RPD_(std::move(rows_RPD)) {}
  at::Tensor at(int position, const at::Tensor&, const at::Tensor&,
                const at::Tensor& below_RPD) const override {
    return position == position_ ? rows_RPD_ : below_RPD;
  }
  int lowest() const override { return position_; }

 private:
  int position_;
  at::Tensor rows_RPD_;
};

}  // namespace metaloom::testing
