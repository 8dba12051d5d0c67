// Params: an ordered name -> tensor value. Models and methods treat parameters as values
// (phi = phi - lr * g); nothing in here updates a tensor in place. Copying shares storage.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace metaloom {

class Params {
 public:
  using Map = std::map<std::string, at::Tensor, std::less<>>;

  Params() = default;
  explicit Params(Map items) : items_(std::move(items)) {}

  /// The tensor called `name`. Throws Error{internal} that names the nearest known one.
  const at::Tensor& at(std::string_view name) const;
  bool contains(std::string_view name) const { return items_.find(name) != items_.end(); }
  void set(std::string name, at::Tensor value) {
    items_.insert_or_assign(std::move(name), std::move(value));
  }

  std::size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  Map::const_iterator begin() const { return items_.begin(); }
  Map::const_iterator end() const { return items_.end(); }
  std::vector<std::string> names() const;
  std::vector<at::Tensor> tensors() const;
  /// Numbers held, over all tensors.
  std::int64_t numel() const;

  /// The same names with f(tensor) for each.
  Params map(const std::function<at::Tensor(const at::Tensor&)>& f) const;
  /// The same names with f(mine, other's); `other` must hold every name of mine.
  Params zip(const Params& other,
             const std::function<at::Tensor(const at::Tensor&, const at::Tensor&)>& f) const;
  /// The tensors whose names satisfy `keep`.
  Params select(const std::function<bool(std::string_view)>& keep) const;
  /// Both, `other` winning where a name stands in both.
  Params merged_with(const Params& other) const;
  /// Detached leaves that require a gradient: where a differentiation starts.
  Params leaves() const;
  Params detached() const;
  /// Same names, tensors taken in order from `values` (as many as names).
  Params with_tensors(const std::vector<at::Tensor>& values) const;

 private:
  Map items_;
};

/// a * x + y, name by name.
Params axpy(double a, const Params& x, const Params& y);
/// sum over names of <x, y>, as a scalar tensor that can be differentiated.
at::Tensor dot(const Params& x, const Params& y);

/// d loss / d params. Absent gradients are zero tensors. `create_graph` keeps the graph for a
/// second derivative; `retain_graph` keeps it for another first one.
Params grad(const at::Tensor& loss, const Params& params, bool create_graph = false,
            bool retain_graph = false);

/// (d outputs / d params)^T cotangents: the gradient of <outputs, cotangents> with the
/// cotangents held constant. Used for Hessian-vector products by double backward.
Params vjp(const Params& outputs, const Params& cotangents, const Params& params,
           bool retain_graph = false);

/// Whether no number in them is NaN or infinite. One synchronisation, whatever their number.
bool all_finite(const Params& values);

}  // namespace metaloom
