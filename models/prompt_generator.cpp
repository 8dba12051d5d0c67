#include "models/prompt_generator.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"

namespace metaloom {
namespace {

constexpr double kHypercomplexSpread = 0.05;

at::Tensor matrix_OI(const Params& params, const std::string& prefix) {
  const std::string dense = prefix + ".weight";
  if (params.contains(dense)) return params.at(dense);
  return hypercomplex_OI(params.at(prefix + ".rules"), params.at(prefix + ".factors"));
}

}  // namespace

void GeneratorShape::check() const {
  const std::string where = "method.phm";
  if (width < 1 || bottleneck < 1 || order < 1) {
    throw Error(Fault::usage,
                "a prompt generator of width " + std::to_string(bottleneck) + " and PHM order " +
                    std::to_string(order),
                where, "Both must be at least 1.");
  }
  if (width % order != 0 || bottleneck % order != 0) {
    throw Error(Fault::usage,
                "the PHM order " + std::to_string(order) + " does not divide the model's width " +
                    std::to_string(width) + " and the bottleneck " + std::to_string(bottleneck),
                where, "Choose a common divisor of both, or 1 for dense matrices.");
  }
}

std::map<std::string, std::vector<std::int64_t>> GeneratorShape::shapes() const {
  std::map<std::string, std::vector<std::int64_t>> out{{"down.bias", {bottleneck}},
                                                       {"up.bias", {width}}};
  const auto matrix = [&](const std::string& name, std::int64_t outputs, std::int64_t inputs) {
    if (order == 1) {
      out[name + ".weight"] = {outputs, inputs};
    } else {
      out[name + ".rules"] = {order, order, order};
      out[name + ".factors"] = {order, outputs / order, inputs / order};
    }
  };
  matrix("down", bottleneck, width);
  matrix("up", width, bottleneck);
  return out;
}

std::int64_t GeneratorShape::numel() const {
  std::int64_t sum = 0;
  for (const auto& [name, shape] : shapes()) {
    std::int64_t product = 1;
    for (const std::int64_t size : shape) product *= size;
    sum += product;
  }
  return sum;
}

Params GeneratorShape::initial(const std::string& prefix, const Rng& rng,
                               const at::TensorOptions& options) const {
  const auto dtype = c10::typeMetaToScalarType(options.dtype());
  Params out;
  for (const auto& [name, shape] : shapes()) {
    if (shape.size() == 1) {
      out.set(prefix + name, at::zeros(shape, options));
      continue;
    }
    const double spread = shape.size() == 2 ? std::sqrt(1.0 / (3.0 * static_cast<double>(shape[1])))
                                            : kHypercomplexSpread;
    const at::Tensor drawn = rng.at(prefix + name).normal_tensor(shape, spread, dtype);
    out.set(prefix + name, drawn.to(options.device()));
  }
  return out;
}

PromptGenerator::PromptGenerator(const GeneratorShape& shape, const Params& params,
                                 const std::string& prefix)
    : down_MD_(matrix_OI(params, prefix + "down")),
      down_M_(params.at(prefix + "down.bias")),
      up_DM_(matrix_OI(params, prefix + "up")),
      up_D_(params.at(prefix + "up.bias")) {
  if (down_MD_.size(0) != shape.bottleneck || down_MD_.size(1) != shape.width) {
    throw Error(Fault::data,
                "a prompt generator of other widths than the configuration's " +
                    std::to_string(shape.bottleneck) + " x " + std::to_string(shape.width),
                prefix + "down", "Give the widths that the checkpoint was made with.");
  }
}

at::Tensor PromptGenerator::rows_RPD(const at::Tensor& pooled_RPD) const {
  return at::linear(at::linear(pooled_RPD, down_MD_, down_M_).relu(), up_DM_, up_D_);
}

at::Tensor hypercomplex_OI(const at::Tensor& a_NNN, const at::Tensor& b_NOI) {
  // [N, N] x [N, o, i] summed over the first index: the block in row p, column q of W.
  const std::int64_t order = a_NNN.size(0), outputs = b_NOI.size(1), inputs = b_NOI.size(2);
  const at::Tensor blocks = a_NNN.flatten(1).t().matmul(b_NOI.flatten(1));
  return blocks.view({order, order, outputs, inputs})
      .permute({0, 2, 1, 3})
      .reshape({order * outputs, order * inputs});
}

at::Tensor pooling_RPL(const at::Tensor& length_R, std::int64_t positions, std::int64_t bins,
                       at::ScalarType dtype) {
  const at::Tensor bin_1P = at::arange(bins, length_R.options()).unsqueeze(0);
  const at::Tensor length_R1 = length_R.unsqueeze(1);
  const at::Tensor first_RP = (bin_1P * length_R1).floor_divide(bins);
  const at::Tensor end_RP = ((bin_1P + 1) * length_R1 + (bins - 1)).floor_divide(bins);
  const at::Tensor place_L = at::arange(positions, length_R.options());
  const at::Tensor inside_RPL =
      place_L.ge(first_RP.unsqueeze(2)).logical_and(place_L.lt(end_RP.unsqueeze(2)));
  return inside_RPL.to(dtype) / (end_RP - first_RP).unsqueeze(2).to(dtype);
}

}  // namespace metaloom
