// theta as the optimizer sees it: one flat buffer, in which every parameter group is one slice.
// The tensors that methods read are views into it, so an update in place is seen by them at once.
// Entries of theta that stand in no group are state: kept and checkpointed, never updated.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/params.h"
#include "methods/method.h"

namespace metaloom {

/// A stretch of the flat buffer.
struct Span {
  std::int64_t start = 0, length = 0;
  std::int64_t end() const { return start + length; }
  /// Its numbers in `buffer`, which is laid out like the flat buffer. [length]
  at::Tensor of(const at::Tensor& buffer) const;
  /// What of it stands in `other`, perhaps nothing.
  Span within(const Span& other) const;
};

/// What one rank steps, and keeps the optimizer's state for, where ranks share theta out.
struct Shard {
  Span span;
  /// Makes a buffer laid out like the flat one, in which each rank has its own span right, right as
  /// a whole on every rank (collective).
  std::function<void(const at::Tensor& buffer)> gather;
};

class FlatParams {
 public:
  /// Copies `theta`. Throws Error{internal} for a name that stands in no theta or in two groups,
  /// and where dtypes differ within the groups.
  FlatParams(const Params& theta, const std::vector<ParameterGroup>& groups);

  /// Views into the flat buffer, plus the state entries: what methods are given.
  const Params& values() const { return values_; }
  const std::vector<ParameterGroup>& groups() const { return groups_; }
  const ParameterGroup& group(const std::string& name) const;
  at::Tensor flat() const { return flat_; }
  /// All of it, on a rank that shares it with nobody.
  Shard whole() const;
  /// A buffer laid out like flat() as named tensors (views).
  Params named(const at::Tensor& buffer) const;
  /// Where a parameter stands in the buffer; length 0 where it is not trained.
  Span span(const std::string& name) const;
  Span group_span(const std::string& name) const;

  /// Overwrites values by name; names and shapes must match. For resume and adoption.
  void assign(const std::string& name, const at::Tensor& value);

 private:
  std::vector<ParameterGroup> groups_;
  std::map<std::string, Span> spans_, group_spans_;
  at::Tensor flat_;
  Params values_;
};

}  // namespace metaloom
