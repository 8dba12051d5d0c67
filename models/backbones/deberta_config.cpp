// What a DeBERTa's config.json says, read and checked.
#include <algorithm>
#include <string_view>

#include "models/backbones/deberta_body.h"

namespace metaloom {
namespace {

/// The words of a text "p2c|c2p", or of a list of texts; lower case, without blanks.
std::vector<std::string> words_of(const ModelConfig& config, const char* key) {
  const Json& value = config.at(key);
  std::string text;
  for (const Json& part : value.is_array() ? value : Json::array({value})) {
    if (part.is_null()) continue;
    if (!part.is_string()) {
      ModelConfig::refuse(std::string(key) + " is " + value.dump(),
                          "It must be a text, or a list of texts");
    }
    text += part.get<std::string>() + "|";
  }
  std::vector<std::string> out;
  std::string word;
  for (const char letter : text) {
    if (letter == '|') {
      if (!word.empty() && word != "none") out.push_back(word);
      word.clear();
    } else if (letter != ' ') {
      word.push_back(letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a')
                                                    : letter);
    }
  }
  return out;
}

bool has_word(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

Disentangled distances_of(const ModelConfig& config, std::int64_t positions) {
  const std::vector<std::string> kinds = words_of(config, "pos_att_type");
  for (const std::string& kind : kinds) {
    if (kind != "c2p" && kind != "p2c") {
      ModelConfig::refuse("pos_att_type names \"" + kind + "\"",
                          "Known are c2p and p2c: DeBERTa's second and third version");
    }
  }
  const bool relative = config.flag("relative_attention", false);
  Disentangled out{.content_to_position = relative && has_word(kinds, "c2p"),
                   .position_to_content = relative && has_word(kinds, "p2c")};
  // The scale counts both, whether attention is relative or not.
  out.terms = (has_word(kinds, "c2p") ? 1 : 0) + (has_word(kinds, "p2c") ? 1 : 0);
  out.reach = config.whole("max_relative_positions", -1);
  if (out.reach < 1) out.reach = positions;
  out.buckets = std::max<std::int64_t>(config.whole("position_buckets", -1), 0);
  if (out.buckets == 1 || (out.buckets > 0 && out.reach - 1 <= out.buckets / 2)) {
    ModelConfig::refuse("position_buckets " + std::to_string(out.buckets) + " for " +
                            std::to_string(out.reach) + " max_relative_positions",
                        "It must be at least 2 and less than twice those; -1: no buckets");
  }
  return out;
}

DebertaConvolution convolution_of(const ModelConfig& config, std::int64_t width) {
  DebertaConvolution out;
  out.kernel = std::max<std::int64_t>(config.whole("conv_kernel_size", 0), 0);
  if (out.kernel == 0) return out;
  if (out.kernel % 2 == 0) {
    ModelConfig::refuse("conv_kernel_size is " + std::to_string(out.kernel),
                        "It must be an odd number, or 0 for no convolution");
  }
  out.groups = config.positive("conv_groups", 1);
  out.activation = config.activation("conv_act", "tanh");
  config.require_divides("hidden_size", width, "conv_groups", out.groups);
  return out;
}

}  // namespace

DebertaConfig DebertaConfig::parse(const ModelConfig& config) {
  DebertaConfig out;
  out.encoder = EncoderConfig::parse(config, {.types = 0, .layer = {.epsilon = 1e-7}});
  const Backbone::Geometry& geometry = out.encoder.geometry;
  out.embedding = config.positive("embedding_size", geometry.width);
  out.absolute = config.flag("position_biased_input", true);
  out.distances = distances_of(config, geometry.positions);
  out.own_projections = !config.flag("share_att_key", false);
  const std::vector<std::string> norms = words_of(config, "norm_rel_ebd");
  out.normal_distances = has_word(norms, "layer_norm");
  if (norms.size() > (out.normal_distances ? 1U : 0U)) {
    ModelConfig::refuse("norm_rel_ebd is " + config.at("norm_rel_ebd").dump(),
                        "Known are layer_norm and none");
  }
  out.convolution = convolution_of(config, geometry.width);
  config.require("attention_head_size", {geometry.width / geometry.heads},
                 "Heads must share hidden_size out among them");
  config.require("z_steps", {0, 1}, "Only models whose last layer runs once are supported");
  return out;
}

}  // namespace metaloom
