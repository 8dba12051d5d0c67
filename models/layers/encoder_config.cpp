#include "models/layers/encoder_config.h"

namespace metaloom {

EncoderConfig EncoderConfig::parse(const ModelConfig& config) {
  return parse(config, EncoderConfig());
}

EncoderConfig EncoderConfig::parse(const ModelConfig& config, EncoderConfig out) {
  out.geometry.width = config.positive("hidden_size");
  out.geometry.layers = config.positive("num_hidden_layers");
  out.geometry.heads = config.positive("num_attention_heads");
  out.geometry.inner = config.positive("intermediate_size");
  out.geometry.vocabulary = config.positive("vocab_size");
  out.geometry.positions = config.positive("max_position_embeddings");
  if (out.types > 0 || config.whole("type_vocab_size", 0) != 0) {
    out.types = config.positive("type_vocab_size", out.types);
  }
  config.require_divides("hidden_size", out.geometry.width, "num_attention_heads",
                         out.geometry.heads);
  out.layer = {.heads = out.geometry.heads,
               .epsilon = config.above_zero("layer_norm_eps", out.layer.epsilon),
               .activation = config.activation("hidden_act")};
  config.require("position_embedding_type", {"absolute"}, "Only absolute positions are supported");
  config.require("is_decoder", {false}, "Only encoders are supported");
  return out;
}

}  // namespace metaloom
