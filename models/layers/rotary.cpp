#include "models/layers/rotary.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>
#include <string>
#include <vector>

#include "core/spelling.h"

namespace metaloom {
namespace {

using torch::autograd::AutogradContext;

constexpr double kTurn = 2 * std::numbers::pi;

bool says(const Json& given, const char* key) {
  return given.is_object() && given.contains(key) && !given.at(key).is_null();
}

double number(const Json& given, const char* key, std::optional<double> otherwise = {}) {
  if (!says(given, key)) {
    if (otherwise) return *otherwise;
    ModelConfig::refuse(std::string("rope_parameters lacks ") + key, "Import the model again");
  }
  const Json& value = given.at(key);
  if (value.is_number() && value.get<double>() > 0) return value.get<double>();
  ModelConfig::refuse(std::string("rope_parameters.") + key + " is " + value.dump(),
                      "It must be a positive number");
}

std::string kind_of(const Json& given) {
  const char* const key = says(given, "rope_type") ? "rope_type" : "type";
  if (!says(given, key)) return "default";
  if (given.at(key).is_string()) return given.at(key).get<std::string>();
  ModelConfig::refuse(std::string("rope_parameters.") + key + " is " + given.at(key).dump(),
                      "It must be a text");
}

// Llama 3.1: what turns rarely within the first training's texts is slowed, what turns often is
// not; between them a ramp.
at::Tensor as_llama3(const Json& given, const at::Tensor& frequency_F, double positions) {
  const double low = number(given, "low_freq_factor"), high = number(given, "high_freq_factor");
  if (high <= low) {
    ModelConfig::refuse("rope_parameters.high_freq_factor is not above low_freq_factor",
                        "Correct the configuration");
  }
  const at::Tensor turn_F = frequency_F.reciprocal() * kTurn;  // positions of a whole one
  const at::Tensor turns_F = turn_F.reciprocal() * positions;
  const at::Tensor keep_F = ((turns_F - low) / (high - low)).clamp(0, 1);
  return (1 - keep_F) * frequency_F / number(given, "factor") + keep_F * frequency_F;
}

// The number of a frequency (not whole) that turns so often within `positions`.
double index_of(double turns, const Rotary::Otherwise& given) {
  return static_cast<double>(given.depth) *
         std::log(static_cast<double>(given.positions) / (turns * kTurn)) /
         (2 * std::log(given.theta));
}

// YaRN (Peng et al. 2023), section 3.2: the ramp is over the frequencies' numbers. radians_F: the
// positions of one radian.
at::Tensor as_yarn(const Json& given, const at::Tensor& radians_F, double factor,
                   const Rotary::Otherwise& known) {
  double first = index_of(number(given, "beta_fast", 32), known);
  double last = index_of(number(given, "beta_slow", 1), known);
  if (!says(given, "truncate") || given.at("truncate") != false) {
    first = std::floor(first);
    last = std::ceil(last);
  }
  first = std::max(first, 0.0);
  last = std::min(last, static_cast<double>(known.depth) - 1);
  if (first == last) last += 0.001;
  const at::Tensor number_F = at::arange(radians_F.size(0), radians_F.options());
  const at::Tensor keep_F = 1 - ((number_F - first) / (last - first)).clamp(0, 1);
  return (factor * radians_F).reciprocal() * (1 - keep_F) + radians_F.reciprocal() * keep_F;
}

// YaRN, section 3.4, and DeepSeek's two factors of it.
double temperature(const Json& given, double factor) {
  const auto of = [factor](double weight) {
    return factor <= 1 ? 1.0 : 0.1 * weight * std::log(factor) + 1;
  };
  const bool two = says(given, "mscale") && says(given, "mscale_all_dim");
  const double otherwise =
      two ? of(number(given, "mscale")) / of(number(given, "mscale_all_dim")) : of(1);
  return number(given, "attention_factor", otherwise);
}

// x with each pair of its halves turned by an angle: linear in x, and turned back by the opposite
// angle, which is all that derivatives of any order need. Two passes over x, where a sum of
// products makes seven.
class Turning final : public torch::autograd::Function<Turning> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& cos,
                            const at::Tensor& sin) {
    context->save_for_backward({cos, sin});
    const std::int64_t half = x.size(-1) / 2;
    at::Tensor out = x * cos;
    out.narrow(-1, 0, half).addcmul_(x.narrow(-1, half, half), sin.narrow(-1, 0, half), -1);
    out.narrow(-1, half, half).addcmul_(x.narrow(-1, 0, half), sin.narrow(-1, half, half));
    return out;
  }

  static std::vector<at::Tensor> backward(AutogradContext* context,
                                          const std::vector<at::Tensor>& gradients) {
    const auto saved = context->get_saved_variables();
    return {apply(gradients.at(0), saved.at(0), -saved.at(1)), {}, {}};
  }
};

// Position 0 for each prompt row, then the text's.
at::Tensor with_prompts(const at::Tensor& x_RLE, std::int64_t prompts) {
  if (prompts == 0) return x_RLE;
  return at::cat({x_RLE.narrow(1, 0, 1).expand({-1, prompts, -1}), x_RLE}, 1);
}

}  // namespace

Rotary Rotary::parse(const Json& given, const Otherwise& otherwise) {
  if (otherwise.depth % 2 != 0) {
    ModelConfig::refuse("heads of width " + std::to_string(otherwise.depth) + " cannot turn",
                        "head_dim must be even");
  }
  if (number(given, "partial_rotary_factor", 1) != 1) {
    ModelConfig::refuse("partial_rotary_factor is " + given.at("partial_rotary_factor").dump(),
                        "Only heads that turn as a whole are supported");
  }
  Otherwise known = otherwise;
  known.theta = number(given, "rope_theta", otherwise.theta);
  const double first_trained =
      number(given, "original_max_position_embeddings", static_cast<double>(otherwise.positions));
  known.positions = static_cast<std::int64_t>(first_trained);
  // In fp32 and in this order, as the models were trained: at far positions the angles' rounding
  // shows.
  const at::Tensor part_F = at::arange(0, known.depth, 2, at::kFloat) / known.depth;
  const at::Tensor radians_F = at::pow(at::Scalar(known.theta), part_F);
  const at::Tensor plain_F = radians_F.reciprocal();
  const std::string kind = kind_of(given);
  if (kind == "default") return {plain_F};
  // NTK-aware scaling by a text's own length begins beyond max_position_embeddings: up to there it
  // changes nothing, and longer texts are refused.
  if (kind == "dynamic") {
    number(given, "factor");
    return {plain_F};
  }
  if (kind == "linear") return {plain_F / number(given, "factor")};
  if (kind == "llama3") return {as_llama3(given, plain_F, first_trained)};
  if (kind == "yarn") {
    const double factor =
        number(given, "factor", static_cast<double>(otherwise.positions) / first_trained);
    return {as_yarn(given, radians_F, factor, known), temperature(given, factor)};
  }
  ModelConfig::refuse("rope_parameters.rope_type is \"" + kind + "\"",
                      did_you_mean(kind, {"default", "dynamic", "linear", "llama3", "yarn"}));
}

Rotary Rotary::parse(const ModelConfig& config, std::int64_t depth) {
  const char* const key = config.has("rope_scaling") ? "rope_scaling" : "rope_parameters";
  Json given = config.at(key);
  if (!given.is_null() && !given.is_object()) {
    ModelConfig::refuse(std::string(key) + " is " + given.dump(), "It must be an object");
  }
  for (const auto& [name, value] : given.items()) {
    if (value.is_object()) {
      ModelConfig::refuse(std::string(key) + " tells of " + name + " apart",
                          "Only layers that turn alike are supported");
    }
  }
  const char* const first_trained = "original_max_position_embeddings";
  const char* const part = "partial_rotary_factor";
  if (config.has(first_trained)) given[first_trained] = config.at(first_trained);
  if (config.has(part) && !says(given, part)) given[part] = config.at(part);
  return parse(given, {.theta = config.above_zero("rope_theta", 10000),
                       .depth = depth,
                       .positions = config.positive("max_position_embeddings")});
}

Turns::Turns(const Rotary& rotary, std::int64_t length, const at::Tensor& like)
    : Turns(rotary, at::arange(length, like.options().dtype(at::kLong)).unsqueeze(0), like) {}

Turns::Turns(const Rotary& rotary, const at::Tensor& position_RL, const at::Tensor& like) {
  const at::Tensor frequency_F = rotary.frequency_F.to(like.device());
  const at::Tensor half_RLF = position_RL.unsqueeze(2) * frequency_F;
  const at::Tensor angle_RLE = at::cat({half_RLF, half_RLF}, 2);
  cos_RLE_ = (angle_RLE.cos() * rotary.scale).to(like.scalar_type());
  sin_RLE_ = (angle_RLE.sin() * rotary.scale).to(like.scalar_type());
}

at::Tensor Turns::turned(const at::Tensor& x_RHQE, std::int64_t prompts,
                         const at::Tensor& keep_R) const {
  const auto of_queries = [&](const at::Tensor& all_RLE) {
    const at::Tensor all_RKE = with_prompts(all_RLE, prompts);
    return keep_R.defined() ? all_RKE.squeeze(0).index_select(0, keep_R).view(
                                  {keep_R.size(0), 1, 1, all_RKE.size(2)})
                            : all_RKE.unsqueeze(1);
  };
  const at::Tensor cos = of_queries(cos_RLE_), sin = of_queries(sin_RLE_);
  return Turning::apply(x_RHQE.to(cos.scalar_type()), cos, sin);
}

}  // namespace metaloom
