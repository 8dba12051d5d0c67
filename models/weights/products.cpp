#include "models/weights/products.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <string_view>

namespace metaloom {
namespace {

using torch::autograd::AutogradContext;
using Tensors = std::vector<at::Tensor>;

// oneDNN takes 15 us to find its kernel, and a millisecond to make it for a shape that it has not
// seen; MKL does this much work meanwhile (multiplications and additions).
constexpr double kSmall = 2e7;

bool is_of_amd() {
#if defined(__x86_64__)
  return __builtin_cpu_is("amd") != 0 && __builtin_cpu_supports("avx512f") != 0;
#else
  return false;
#endif
}

bool goes_to_onednn(const at::Tensor& x, const at::Tensor& weight_OI) {
  static const bool pays = is_of_amd() && at::hasMKLDNN();
  return pays && x.scalar_type() == at::kFloat && x.is_cpu() && weight_OI.dim() == 2 &&
         2.0 * static_cast<double>(x.numel()) * static_cast<double>(weight_OI.size(0)) >= kSmall;
}

using Bias = std::optional<at::Tensor>;

Bias as_optional(const at::Tensor& bias_O) {
  return bias_O.defined() ? Bias(bias_O) : std::nullopt;
}

at::Tensor product(const at::Tensor& x_NI, const at::Tensor& weight_OI, const Bias& bias_O) {
  using Linear = at::Tensor(const at::Tensor&, const at::Tensor&, const Bias&, std::string_view,
                            c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>);
  static const auto linear = c10::Dispatcher::singleton()
                                 .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
                                 .typed<Linear>();
  const at::AutoDispatchBelowAutograd no_graph;
  return linear.call(x_NI, weight_OI, bias_O, "none", c10::List<std::optional<at::Scalar>>(), "");
}

class Product final : public torch::autograd::Function<Product> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_NI,
                            const at::Tensor& weight_OI, const Bias& bias_O) {
    // What is frozen asks for no product with the rows, which then need not be kept.
    context->save_for_backward({weight_OI.requires_grad() ? x_NI : at::Tensor(),
                                x_NI.requires_grad() ? weight_OI : at::Tensor()});
    context->saved_data["has bias"] = bias_O.has_value();
    context->set_materialize_grads(false);
    return product(x_NI, weight_OI, bias_O);
  }

  // Sums over many rows are as fast by MKL.
  static Tensors backward(AutogradContext* context, const Tensors& gradients) {
    const at::Tensor& gradient_NO = gradients.at(0);
    if (!gradient_NO.defined()) return Tensors(3);
    const Tensors saved = context->get_saved_variables();
    Tensors out(3);
    if (context->needs_input_grad(0)) out[0] = linear_map(gradient_NO, saved[1].t(), {});
    if (context->needs_input_grad(1)) out[1] = gradient_NO.t().mm(saved[0]);
    const bool has_bias = context->saved_data.at("has bias").toBool();
    if (has_bias && context->needs_input_grad(2)) out[2] = gradient_NO.sum(0);
    return out;
  }
};

}  // namespace

at::Tensor linear_map_by_onednn(const at::Tensor& x, const at::Tensor& weight_OI,
                                const at::Tensor& bias_O) {
  const at::Tensor x_NI = x.reshape({-1, x.size(-1)});
  const at::Tensor y_NO = Product::apply(x_NI, weight_OI, as_optional(bias_O));
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = weight_OI.size(0);
  return y_NO.view(shape);
}

at::Tensor linear_map(const at::Tensor& x, const at::Tensor& weight_OI, const at::Tensor& bias_O) {
  if (goes_to_onednn(x, weight_OI)) return linear_map_by_onednn(x, weight_OI, bias_O);
  return at::linear(x, weight_OI, as_optional(bias_O));
}

}  // namespace metaloom
