// RoBERTa encoder (Liu et al. 2019), with an optional pooler and MLM head.
#include "core/registry.h"
#include "models/backbones/bert_like.h"

namespace metaloom {
namespace {

const Register<Backbone> here{
    "roberta", "RoBERTa encoder (Liu et al. 2019)",
    [](const std::string& config) { return std::make_unique<BertLike>(roberta_kind(config)); }};

}  // namespace
}  // namespace metaloom
