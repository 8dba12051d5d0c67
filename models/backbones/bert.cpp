// BERT (Devlin et al. 2019) with Hugging Face's parameter names: its body and its MLM head. Parity
// with transformers: tests/golden/bert_parity_test.py.
// Legend: R rows, D width, N states.
#include <ATen/ATen.h>

#include "core/error.h"
#include "core/registry.h"
#include "models/backbones/bert_body.h"
#include "models/layers/encoder_cost.h"

namespace metaloom {
namespace {

const std::string kHead = "cls.predictions.";

class Bert final : public Backbone {
 public:
  explicit Bert(const std::string& config) : body_(EncoderConfig::parse(config)) {}

  Geometry geometry() const override { return body_.config().geometry; }
  using Backbone::parameters;
  std::vector<Parameter> parameters() const override;
  /// [CLS] text [SEP], or [CLS] text [SEP] pair [SEP].
  Framing framing() const override {
    return {.before = {Special::begin},
            .between = {Special::end},
            .after = {Special::end},
            .types = true,
            .row = ReadAt::first,
            .answer = ReadAt::mask};
  }
  at::Tensor encode(const Weights& weights, const Batch& batch,
                    const ForwardOptions& options) const override {
    return body_.encode(weights, batch, options);
  }
  at::Tensor encode_below(const Weights& weights, const Batch& batch, int layer) const override {
    return body_.encode_below(weights, batch, layer);
  }
  at::Tensor pooled(const Weights& weights, const at::Tensor& states_RD) const override {
    return BertBody::pooled(weights, states_RD);
  }
  at::Tensor word_logits(const Weights& weights, const at::Tensor& states_ND,
                         const at::Tensor& ids) const override;
  std::string word_table() const override { return BertBody::kWords + ".weight"; }
  std::vector<std::string> word_rows() const override { return {word_table(), kHead + "bias"}; }
  Cost cost(const Pass& pass, at::ScalarType dtype) const override {
    return encoder_cost(geometry(), pass, dtype);
  }

 private:
  BertBody body_;
};

std::vector<Parameter> Bert::parameters() const {
  const std::int64_t width = geometry().width;
  ParameterList list;
  body_.declare(list);
  list.part(Part::head);
  list.dense(kHead + "transform.dense", width, width);
  list.norm(kHead + "transform.LayerNorm", width);
  list.vector(kHead + "bias", geometry().vocabulary, Start::zeros);
  return list.by_name();
}

at::Tensor Bert::word_logits(const Weights& weights, const at::Tensor& states_ND,
                             const at::Tensor& ids) const {
  if (!weights.contains(kHead + "transform.dense.weight")) {
    throw Error(Fault::data, "the model has no MLM head", kHead + "transform.dense.weight",
                "Use one that has (minilm-mlm), or train one with method = \"mlm\"");
  }
  const at::Tensor transformed_ND = weights.layer_norm(
      kHead + "transform.LayerNorm",
      activate(body_.config().activation, weights.linear(kHead + "transform.dense", states_ND)),
      body_.config().epsilon);
  return weights.tied_decoder(BertBody::kWords, kHead + "bias", transformed_ND, ids);
}

const Register<Backbone> here{
    "bert", "BERT encoder with an optional pooler and MLM head (Devlin et al. 2019)",
    [](const std::string& config) { return std::make_unique<Bert>(config); }};

}  // namespace
}  // namespace metaloom
