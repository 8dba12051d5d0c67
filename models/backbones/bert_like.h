// Encoders that are BERT's body with an optional pooler and an optional head of a masked language
// model, as one class that is told how they differ.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/backbones/bert_body.h"
#include "models/layers/mlm_head.h"

namespace metaloom {

struct BertKind {
  EncoderConfig config;
  BodyKind body = {};
  MlmHead head;
  std::string head_decoder;  // Hugging Face's name of the head's last matrix
  bool tied = true;          // that matrix is the word table
  bool pooler = true;
  Framing framing;
  std::string hub_prefix;
};

/// [CLS] text [SEP], or [CLS] text [SEP] pair [SEP].
Framing framing_of_bert();
/// <s> text </s>, or <s> text </s> </s> pair </s>.
Framing framing_of_roberta();
/// RoBERTa (Liu et al. 2019) and the models that are it in other languages.
BertKind roberta_kind(const std::string& config);

class BertLike final : public Backbone {
 public:
  explicit BertLike(BertKind kind);

  Geometry geometry() const override { return body_.config().geometry; }
  using Backbone::parameters;
  std::vector<Parameter> parameters() const override;
  Framing framing() const override { return kind_.framing; }
  HubLayout hub_layout() const override;
  at::Tensor encode(const Weights& weights, const Batch& batch,
                    const ForwardOptions& options) const override {
    return body_.encode(weights, batch, options);
  }
  at::Tensor encode_below(const Weights& weights, const Batch& batch, int layer) const override {
    return body_.encode_below(weights, batch, layer);
  }
  at::Tensor pooled(const Weights& weights, const at::Tensor& states_RD) const override;
  at::Tensor word_logits(const Weights& weights, const at::Tensor& states_ND,
                         const at::Tensor& ids) const override {
    return kind_.head.logits(weights, kind_.config.layer, BertBody::kWords, states_ND, ids);
  }
  std::string word_table() const override { return BertBody::kWords + ".weight"; }
  std::vector<std::string> word_rows() const override;
  Cost cost(const Pass& pass, at::ScalarType dtype) const override;

 private:
  BertKind kind_;
  BertBody body_;
  std::vector<std::string> ignored_ = {"embeddings.position_ids", "embeddings.token_type_ids"};
};

}  // namespace metaloom
