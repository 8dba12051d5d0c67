#include "models/layers/recompute.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace metaloom {
namespace {

using torch::autograd::AutogradContext;
using Tensors = std::vector<at::Tensor>;
using Flags = std::vector<bool>;

/// A pure function of tensors, whose results are tracked where its inputs are; to be differentiated
/// once more if `again`. Results that depend on nothing tracked may be undefined.
using Computation = std::function<Tensors(const Tensors& inputs, bool again)>;

Tensors recomputed(const Computation& computation, const Tensors& inputs);

bool asks_for_gradient(const at::Tensor& x) {
  return x.defined() && x.requires_grad();
}

/// Those that are marked.
Tensors chosen(const Tensors& all, const Flags& marked) {
  Tensors out;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (marked[i]) out.push_back(all[i]);
  }
  return out;
}

/// The other way round: in the places that are marked, undefined elsewhere.
Tensors spread(const Tensors& few, const Flags& marked) {
  Tensors out(marked.size());
  auto next = few.begin();
  for (std::size_t i = 0; i < marked.size(); ++i) {
    if (marked[i]) out[i] = *next++;
  }
  return out;
}

/// What `computation` makes, without its graph. The inputs are leaves of a graph that ends with
/// this call; that there is one lets kernels be chosen as in the pass that keeps everything.
Tensors values_of(const Computation& computation, const Tensors& inputs) {
  const torch::autograd::AutoGradMode with_graph(true);
  Tensors leaves;
  for (const at::Tensor& x : inputs) leaves.push_back(x.detach().requires_grad_(x.requires_grad()));
  Tensors out = computation(leaves, /*again=*/false);
  for (at::Tensor& value : out) {
    if (value.defined()) value = value.detach();
  }
  return out;
}

/// The gradients of a computation with `asked.size()` inputs as a computation of its own: of these
/// and of the gradients by those of its results that are `given`. Undefined where not asked.
Computation gradient_of(Computation computation, Flags asked, Flags given) {
  return [computation = std::move(computation), asked = std::move(asked), given = std::move(given)](
             const Tensors& all, bool again) {
    const torch::autograd::AutoGradMode with_graph(true);
    const auto inputs_end = all.begin() + static_cast<std::ptrdiff_t>(asked.size());
    const Tensors inputs(all.begin(), inputs_end), gradients(inputs_end, all.end());
    Tensors results = chosen(computation(inputs, /*again=*/true), given), by;
    Flags tracked;
    for (std::size_t i = 0; i < results.size(); ++i) {
      tracked.push_back(asks_for_gradient(results[i]));
      if (tracked.back()) by.push_back(gradients[i]);
    }
    Flags wanted;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      wanted.push_back(asked[i] && asks_for_gradient(inputs[i]));
    }
    const Tensors from = chosen(inputs, wanted);
    if (by.empty() || from.empty()) return Tensors(inputs.size());
    return spread(torch::autograd::grad(chosen(results, tracked), from, by, /*retain_graph=*/again,
                                        /*create_graph=*/again, /*allow_unused=*/true),
                  wanted);
  };
}

/// A computation where the graph keeps it.
struct Kept final : torch::CustomClassHolder {
  explicit Kept(Computation run) : run(std::move(run)) {}
  Computation run;
};

/// The node of a computation whose values are there already.
class Node final : public torch::autograd::Function<Node> {
 public:
  static Tensors forward(AutogradContext* context, const Computation& computation,
                         const Tensors& values, at::TensorList inputs) {
    context->set_materialize_grads(false);
    context->save_for_backward(inputs.vec());
    context->saved_data["computation"] =
        at::IValue::make_capsule(c10::make_intrusive<Kept>(computation));
    return values;
  }

  static Tensors backward(AutogradContext* context, const Tensors& gradients) {
    Tensors all = context->get_saved_variables();
    Flags asked, given;
    for (std::size_t i = 0; i < all.size(); ++i) asked.push_back(context->needs_input_grad(i));
    for (const at::Tensor& gradient : gradients) given.push_back(gradient.defined());
    const Tensors by = chosen(gradients, given);
    Tensors out(2);  // the gradients by what is no tensor
    if (by.empty()) {
      out.resize(2 + all.size());
      return out;
    }
    const auto kept = at::IValue(context->saved_data.at("computation")).toCapsule();
    const Computation& run = static_cast<const Kept&>(*kept).run;
    all.insert(all.end(), by.begin(), by.end());
    const Tensors found = recomputed(gradient_of(run, std::move(asked), std::move(given)), all);
    out.insert(out.end(), found.begin(), found.end());
    return out;
  }
};

/// The computation's results; where they are tracked, the graph keeps its inputs alone.
Tensors recomputed(const Computation& computation, const Tensors& inputs) {
  const Tensors values = values_of(computation, inputs);
  if (!torch::autograd::GradMode::is_enabled() ||
      std::none_of(inputs.begin(), inputs.end(), asks_for_gradient)) {
    return values;
  }
  Flags there;
  for (const at::Tensor& value : values) there.push_back(value.defined());
  const Computation those = [computation, there](const Tensors& again_inputs, bool again) {
    return chosen(computation(again_inputs, again), there);
  };
  return spread(Node::apply(those, chosen(values, there), at::TensorList(inputs)), there);
}

}  // namespace

Recompute::Recompute(const LayerContext& context)
    : context_(context),
      trained_(context.weights.trained()),
      weights_(context.weights.with(trained_.detached())) {}

at::Tensor Recompute::operator()(const Layer& layer, const at::Tensor& x) const {
  Tensors inputs{x};
  inputs.insert(inputs.end(), context_.beside.begin(), context_.beside.end());
  for (const auto& [name, value] : trained_) inputs.push_back(value);
  if (!torch::autograd::GradMode::is_enabled() ||
      std::none_of(inputs.begin(), inputs.end(), asks_for_gradient)) {
    return layer(context_, x);
  }
  const Computation run = [layer, attention = context_.attention, dropout = context_.dropout,
                           beside = context_.beside.size(), names = trained_.detached(),
                           weights = weights_](const Tensors& all, bool) {
    const auto beside_begin = all.begin() + 1;
    const auto weights_begin = beside_begin + static_cast<std::ptrdiff_t>(beside);
    const auto own = weights->with(names.with_tensors({weights_begin, all.end()}));
    const LayerContext context{*own, attention, dropout, nullptr, {beside_begin, weights_begin}};
    return Tensors{layer(context, all.front())};
  };
  return recomputed(run, inputs).front();
}

}  // namespace metaloom
