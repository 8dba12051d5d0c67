// DeBERTa, second version (He et al. 2021) and third (He et al. 2023), which has its form.
#include <ATen/ATen.h>

#include "core/error.h"
#include "core/registry.h"
#include "models/backbones/deberta_body.h"
#include "models/layers/mlm_head.h"

namespace metaloom {
namespace {

const std::string kPooler = "pooler.dense";

/// The two spellings of the one MLM head: transformers' first ("legacy"), and DeBERTa's own, which
/// stands in Microsoft's files, whatever their config.json says.
const MlmHead kLegacyHead{"cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm",
                          "cls.predictions.bias"};
const MlmHead kOwnHead{"lm_predictions.lm_head.dense", "lm_predictions.lm_head.LayerNorm",
                       "lm_predictions.lm_head.bias"};

class DebertaV2 final : public Backbone {
 public:
  explicit DebertaV2(const ModelConfig& config)
      : body_(DebertaConfig::parse(config)),
        legacy_(config.flag("legacy", true)),
        pooler_(config.activation("pooler_hidden_act", "gelu")) {
    const std::int64_t width = geometry().width;
    config.require("pooler_hidden_size", {width}, "It must be hidden_size");
    if (!legacy_ && body_.config().embedding != width) {
      ModelConfig::refuse("legacy is false and embedding_size is not hidden_size",
                          "Only the legacy head scores words of another width");
    }
  }

  Geometry geometry() const override { return body_.config().encoder.geometry; }
  using Backbone::parameters;
  std::vector<Parameter> parameters() const override {
    ParameterList list;
    body_.declare(list);
    list.part(Part::pooler);
    list.dense(kPooler, geometry().width, geometry().width);
    head().declare(list, geometry().width, body_.config().embedding, geometry().vocabulary);
    return list.by_name();
  }
  Framing framing() const override {
    return {.before = {Special::begin},
            .between = {Special::end},
            .after = {Special::end},
            .types = body_.config().encoder.types > 1,
            .row = ReadAt::first,
            .answer = ReadAt::mask};
  }
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
    return head().logits(weights, body_.config().encoder.layer, DebertaBody::kWords, states_ND,
                         ids);
  }
  std::string word_table() const override { return DebertaBody::kWords + ".weight"; }
  std::vector<std::string> word_rows() const override { return {word_table(), head().bias}; }
  Cost cost(const Pass& pass, at::ScalarType dtype) const override {
    return body_.cost(pass, dtype);
  }

 private:
  const MlmHead& head() const { return legacy_ ? kLegacyHead : kOwnHead; }

  DebertaBody body_;
  bool legacy_;
  Activation pooler_;
};

HubLayout DebertaV2::hub_layout() const {
  const MlmHead &ours = head(), &other = legacy_ ? kOwnHead : kLegacyHead;
  HubLayout layout{.prefix = "deberta.",
                   .tied = {{"cls.predictions.decoder.weight", word_table()},
                            {"cls.predictions.decoder.bias", ours.bias},
                            {other.bias, ours.bias}},
                   // the last: what training by replaced words adds to the words' embeddings
                   .ignored = {"embeddings.position_ids", "mask_predictions.*",
                               "embeddings.word_embeddings._weight"}};
  for (const char* end : {".weight", ".bias"}) {
    layout.tied.emplace_back(other.dense + end, ours.dense + end);
    layout.tied.emplace_back(other.norm + end, ours.norm + end);
  }
  // What files hold although their configuration has no use for it.
  const DebertaConfig& config = body_.config();
  if (!config.absolute) layout.ignored.emplace_back("embeddings.position_embeddings.weight");
  if (!config.distances.any()) layout.ignored.emplace_back("encoder.rel_embeddings.weight");
  if (!config.distances.any() || !config.normal_distances)
    layout.ignored.emplace_back("encoder.LayerNorm.*");
  return layout;
}

at::Tensor DebertaV2::pooled(const Weights& weights, const at::Tensor& states_RD) const {
  if (!weights.contains(kPooler + ".weight")) {
    throw Error(Fault::data, "the model has no pooler", kPooler + ".weight",
                "Import a model that was trained to classify, or read the first position's state");
  }
  return activate(
      pooler_, weights.linear(kPooler, states_RD.dim() == 3 ? states_RD.select(1, 0) : states_RD));
}

const Register<Backbone> here{
    "deberta-v2", "DeBERTa v2 and v3 encoder (He et al. 2021, 2023)",
    [](const std::string& config) { return std::make_unique<DebertaV2>(ModelConfig(config)); }};

}  // namespace
}  // namespace metaloom
