#include "models/layers/model_config.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/spelling.h"

namespace metaloom {
namespace {

const char* const kWhere = "config of the model";

constexpr std::array<std::pair<std::string_view, Activation>, 8> kActivations{{
    {"gelu", Activation::gelu},
    {"gelu_new", Activation::gelu_tanh},
    {"gelu_pytorch_tanh", Activation::gelu_tanh},
    {"gelu_fast", Activation::gelu_tanh},
    {"relu", Activation::relu},
    {"silu", Activation::silu},
    {"swish", Activation::silu},
    {"tanh", Activation::tanh},
}};

}  // namespace

ModelConfig::ModelConfig(const std::string& json) : config_(parse_json(json, kWhere)) {
  if (!config_.is_object()) refuse("it is no JSON object", "Import the model again");
}

void ModelConfig::refuse(const std::string& what, const std::string& cure) {
  throw Error(Fault::data, what, kWhere, cure);
}

bool ModelConfig::has(const char* key) const {
  return config_.contains(key) && !config_.at(key).is_null();
}

const Json& ModelConfig::at(const char* key) const {
  static const Json none;
  return has(key) ? config_.at(key) : none;
}

std::int64_t ModelConfig::positive(const char* key, std::optional<std::int64_t> otherwise) const {
  if (has(key)) {
    const Json& value = config_.at(key);
    // More than any model has, and few enough to be counted and listed.
    const bool layers = std::string_view(key).find("layer") != std::string_view::npos;
    const std::int64_t most = layers ? 10'000 : 1'000'000'000;
    if (value.is_number_integer() && value.get<std::int64_t>() > 0 &&
        value.get<std::int64_t>() <= most) {
      return value.get<std::int64_t>();
    }
    refuse(std::string(key) + " is " + value.dump(),
           "It must be a positive whole number, at most " + std::to_string(most));
  }
  if (otherwise) return *otherwise;
  std::vector<std::string> known;
  for (const auto& [name, value] : config_.items()) known.push_back(name);
  refuse(std::string(key) + " is missing", did_you_mean(key, known));
}

std::int64_t ModelConfig::whole(const char* key, std::int64_t otherwise) const {
  if (!has(key)) return otherwise;
  if (at(key).is_number_integer()) return at(key).get<std::int64_t>();
  refuse(std::string(key) + " is " + at(key).dump(), "It must be a whole number");
}

std::int64_t ModelConfig::not_negative(const char* key, std::int64_t otherwise) const {
  if (!has(key)) return otherwise;
  const Json& value = config_.at(key);
  if (value.is_number_integer() && value.get<std::int64_t>() >= 0) return value.get<std::int64_t>();
  refuse(std::string(key) + " is " + value.dump(), "It must be a whole number, 0 or more");
}

double ModelConfig::above_zero(const char* key, std::optional<double> otherwise) const {
  if (!has(key) && otherwise) return *otherwise;
  const Json& value = at(key);
  if (value.is_number() && value.get<double>() > 0) return value.get<double>();
  refuse(std::string(key) + " is " + value.dump(), "It must be a positive number");
}

bool ModelConfig::flag(const char* key, bool otherwise) const {
  if (!has(key)) return otherwise;
  if (at(key).is_boolean()) return at(key).get<bool>();
  refuse(std::string(key) + " is " + at(key).dump(), "It must be true or false");
}

std::string ModelConfig::text(const char* key, const std::string& otherwise) const {
  if (!has(key)) return otherwise;
  if (at(key).is_string()) return at(key).get<std::string>();
  refuse(std::string(key) + " is " + at(key).dump(), "It must be a text");
}

Activation ModelConfig::activation(const char* key, const std::string& otherwise) const {
  const std::string name = text(key, otherwise);
  std::vector<std::string> known;
  for (const auto& [word, activation] : kActivations) {
    if (word == name) return activation;
    known.emplace_back(word);
  }
  refuse(std::string(key) + " is \"" + name + "\"", did_you_mean(name, known));
}

void ModelConfig::require(const char* key, std::initializer_list<Json> allowed,
                          const char* cure) const {
  if (!has(key) || std::find(allowed.begin(), allowed.end(), at(key)) != allowed.end()) return;
  refuse(std::string(key) + " is " + at(key).dump(), cure);
}

void ModelConfig::require_divides(const char* whole, std::int64_t whole_value, const char* part,
                                  std::int64_t part_value) const {
  if (whole_value % part_value == 0) return;
  refuse(std::string(whole) + " " + std::to_string(whole_value) + " does not divide by " +
             std::to_string(part_value) + " " + part,
         "Correct the configuration");
}

}  // namespace metaloom
