#include "models/backbones/bert_config.h"

#include <algorithm>

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

BertConfig BertConfig::parse(const std::string& json) {
  const Json config = parse_json(json, kWhere);
  if (!config.is_object()) {
    throw Error(Fault::data, "it is no JSON object", kWhere, "Import the model again");
  }
  BertConfig out;
  out.geometry.width = positive(config, "hidden_size");
  out.geometry.layers = positive(config, "num_hidden_layers");
  out.geometry.heads = positive(config, "num_attention_heads");
  out.geometry.inner = positive(config, "intermediate_size");
  out.geometry.vocabulary = positive(config, "vocab_size");
  out.geometry.positions = positive(config, "max_position_embeddings");
  if (config.contains("type_vocab_size")) out.segments = positive(config, "type_vocab_size");
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

std::vector<Parameter> BertConfig::parameters() const {
  const std::int64_t width = geometry.width, inner = geometry.inner;
  std::vector<Parameter> out;
  Part part = Part::embeddings;
  const auto matrix = [&](const std::string& name, std::int64_t rows, std::int64_t columns) {
    out.push_back({name, {rows, columns}, part, Start::normal, true});
  };
  const auto vector = [&](const std::string& name, std::int64_t size, Start start) {
    out.push_back({name, {size}, part, start, false});
  };
  const auto dense = [&](const std::string& name, std::int64_t from, std::int64_t to) {
    matrix(name + ".weight", to, from);
    vector(name + ".bias", to, Start::zeros);
  };
  const auto norm = [&](const std::string& name) {
    vector(name + ".weight", width, Start::ones);
    vector(name + ".bias", width, Start::zeros);
  };
  matrix("embeddings.word_embeddings.weight", geometry.vocabulary, width);
  matrix("embeddings.position_embeddings.weight", geometry.positions, width);
  matrix("embeddings.token_type_embeddings.weight", segments, width);
  norm("embeddings.LayerNorm");
  part = Part::layers;
  for (std::int64_t n = 0; n < geometry.layers; ++n) {
    const std::string layer = "encoder.layer." + std::to_string(n) + ".";
    for (const char* name : {"attention.self.query", "attention.self.key", "attention.self.value",
                             "attention.output.dense"}) {
      dense(layer + name, width, width);
    }
    norm(layer + "attention.output.LayerNorm");
    dense(layer + "intermediate.dense", width, inner);
    dense(layer + "output.dense", inner, width);
    norm(layer + "output.LayerNorm");
  }
  part = Part::pooler;
  dense("pooler.dense", width, width);
  part = Part::head;
  dense("cls.predictions.transform.dense", width, width);
  norm("cls.predictions.transform.LayerNorm");
  vector("cls.predictions.bias", geometry.vocabulary, Start::zeros);
  std::sort(out.begin(), out.end(),
            [](const Parameter& a, const Parameter& b) { return a.name < b.name; });
  return out;
}

}  // namespace metaloom
