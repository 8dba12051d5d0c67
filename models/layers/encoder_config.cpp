#include "models/layers/encoder_config.h"

#include "core/error.h"
#include "core/json.h"
#include "core/spelling.h"

namespace metaloom {
namespace {

const char* const kWhere = "config of the model";

std::int64_t positive(const Json& config, const char* key) {
  if (config.contains(key)) {
    const Json& value = config.at(key);
    if (value.is_number_integer() && value.get<std::int64_t>() > 0) {
      return value.get<std::int64_t>();
    }
    throw Error(Fault::data, std::string(key) + " is " + value.dump(), kWhere,
                "It must be a positive whole number");
  }
  std::vector<std::string> known;
  for (const auto& [name, value] : config.items()) known.push_back(name);
  throw Error(Fault::data, std::string(key) + " is missing", kWhere, did_you_mean(key, known));
}

Activation activation_of(const Json& config) {
  const Json value = config.value("hidden_act", Json("gelu"));
  if (value == "gelu") return Activation::gelu;
  if (value == "gelu_new" || value == "gelu_pytorch_tanh") return Activation::gelu_tanh;
  if (value == "relu") return Activation::relu;
  throw Error(Fault::data, "hidden_act is " + value.dump(), kWhere,
              "Known: gelu, gelu_new, gelu_pytorch_tanh, relu");
}

}  // namespace

EncoderConfig EncoderConfig::parse(const std::string& json) {
  const Json config = parse_json(json, kWhere);
  if (!config.is_object()) {
    throw Error(Fault::data, "it is no JSON object", kWhere, "Import the model again");
  }
  EncoderConfig out;
  out.geometry.width = positive(config, "hidden_size");
  out.geometry.layers = positive(config, "num_hidden_layers");
  out.geometry.heads = positive(config, "num_attention_heads");
  out.geometry.inner = positive(config, "intermediate_size");
  out.geometry.vocabulary = positive(config, "vocab_size");
  out.geometry.positions = positive(config, "max_position_embeddings");
  if (config.contains("type_vocab_size")) out.types = positive(config, "type_vocab_size");
  if (out.geometry.width % out.geometry.heads != 0) {
    throw Error(Fault::data,
                "hidden_size " + std::to_string(out.geometry.width) + " does not divide by " +
                    std::to_string(out.geometry.heads) + " num_attention_heads",
                kWhere, "Correct the configuration");
  }
  if (config.contains("layer_norm_eps")) {
    const Json& epsilon = config.at("layer_norm_eps");
    if (!epsilon.is_number() || !(epsilon.get<double>() > 0)) {
      throw Error(Fault::data, "layer_norm_eps is " + epsilon.dump(), kWhere,
                  "It must be a positive number");
    }
    out.epsilon = epsilon.get<double>();
  }
  out.activation = activation_of(config);
  const Json kind = config.value("position_embedding_type", Json());
  if (!kind.is_null() && kind != "absolute") {
    throw Error(Fault::data, "position_embedding_type is " + kind.dump(), kWhere,
                "Only absolute positions are supported");
  }
  if (config.value("is_decoder", Json(false)) == true) {
    throw Error(Fault::data, "it is a decoder", kWhere, "Only encoders are supported");
  }
  return out;
}

}  // namespace metaloom
