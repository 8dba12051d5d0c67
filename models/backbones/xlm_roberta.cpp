// XLM-RoBERTa encoder (Conneau et al. 2020), with an optional pooler and MLM head.
#include "core/registry.h"
#include "models/backbones/bert_like.h"

namespace metaloom {
namespace {

const Register<Backbone> here{
    "xlm-roberta", "XLM-RoBERTa encoder (Conneau et al. 2020)",
    [](const std::string& config) { return std::make_unique<BertLike>(roberta_kind(config)); }};

}  // namespace
}  // namespace metaloom
