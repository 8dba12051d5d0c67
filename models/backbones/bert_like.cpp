#include "models/backbones/bert_like.h"

#include <ATen/ATen.h>

#include <utility>

#include "core/error.h"
#include "models/layers/encoder_cost.h"

namespace metaloom {
namespace {

const std::string kPooler = "pooler.dense";

}  // namespace

Framing framing_of_bert() {
  return {.before = {Special::begin},
          .between = {Special::end},
          .after = {Special::end},
          .types = true,
          .row = ReadAt::first,
          .answer = ReadAt::mask};
}

Framing framing_of_roberta() {
  return {.before = {Special::begin},
          .between = {Special::end, Special::end},
          .after = {Special::end},
          .types = false,
          .row = ReadAt::first,
          .answer = ReadAt::mask};
}

BertKind roberta_kind(const std::string& config) {
  const ModelConfig given(config);
  BertKind kind{.config = EncoderConfig::parse(given),
                .head = {"lm_head.dense", "lm_head.layer_norm", "lm_head.bias", Activation::gelu},
                .head_decoder = "lm_head.decoder",
                .tied = given.flag("tie_word_embeddings", true),
                .framing = framing_of_roberta(),
                .hub_prefix = "roberta."};
  // Positions are counted from behind the padding's (fairseq).
  kind.body.first_position = given.not_negative("pad_token_id", 1) + 1;
  kind.config.geometry.positions -= kind.body.first_position;
  if (kind.config.geometry.positions < 1) {
    ModelConfig::refuse("max_position_embeddings leaves no position for a text",
                        "Correct the configuration");
  }
  return kind;
}

BertLike::BertLike(BertKind kind) : kind_(std::move(kind)), body_(kind_.config, kind_.body) {
  if (kind_.tied) return;
  // Where transformers do not tie, a decoder's own bias is what they add: the head's is not read.
  const std::string bias = kind_.head_decoder + ".bias";
  if (kind_.head.bias != bias) ignored_.push_back(kind_.head.bias);
  kind_.head.bias = bias;
  kind_.head.table = kind_.head_decoder;
}

std::vector<Parameter> BertLike::parameters() const {
  const Geometry geometry = this->geometry();
  ParameterList list;
  body_.declare(list);
  if (kind_.pooler) {
    list.part(Part::pooler);
    list.dense(kPooler, geometry.width, geometry.width);
  }
  kind_.head.declare(list, geometry.width, body_.embedding(), geometry.vocabulary);
  return list.by_name();
}

HubLayout BertLike::hub_layout() const {
  HubLayout layout{.prefix = kind_.hub_prefix, .ignored = ignored_};
  if (kind_.tied) {
    layout.tied = {{kind_.head_decoder + ".weight", word_table()},
                   {kind_.head_decoder + ".bias", kind_.head.bias}};
  }
  return layout;
}

at::Tensor BertLike::pooled(const Weights& weights, const at::Tensor& states_RD) const {
  if (!kind_.pooler || !weights.contains(kPooler + ".weight")) {
    throw Error(Fault::data, "the model has no pooler", kPooler + ".weight",
                "Import a model that has one, or read the first position's state itself");
  }
  return weights.linear(kPooler, states_RD.dim() == 3 ? states_RD.select(1, 0) : states_RD).tanh();
}

std::vector<std::string> BertLike::word_rows() const {
  std::vector<std::string> rows = kind_.head.word_rows();
  rows.push_back(word_table());
  return rows;
}

Cost BertLike::cost(const Pass& pass, at::ScalarType dtype) const {
  return encoder_cost(geometry(), pass, dtype);
}

}  // namespace metaloom
