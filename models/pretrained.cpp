#include "models/pretrained.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/json.h"
#include "core/registry.h"
#include "core/spelling.h"
#include "models/vocabulary.h"

namespace metaloom {
namespace {

const char* const kFormat = "metaloom-model";

[[noreturn]] void refuse(const std::string& what, const std::string& where,
                         const std::string& cure = "Import the model again") {
  throw Error(Fault::data, what, where, cure);
}

/// The text of meta's `key`, which must be one.
std::string text_of(const Json& meta, const char* key, const std::string& origin) {
  if (!meta.contains(key) || !meta.at(key).is_string()) {
    refuse(fmt::format("its description has no text \"{}\"", key), origin + ", /meta");
  }
  return meta.at(key).get<std::string>();
}

Json checked_meta(const std::string& text, const std::string& origin) {
  Json meta = parse_json(text, origin + ", /meta");
  if (!meta.is_object() || meta.value("format", Json()) != kFormat) {
    refuse("it is no model archive", origin,
           "Give a file made by `metaloom import`, or a checkpoint's model");
  }
  if (meta.value("version", Json()) != 1) {
    refuse("its format version is " + meta.value("version", Json()).dump() + ", known is 1", origin,
           "Import the model again with this version of metaloom");
  }
  if (!meta.contains("config")) refuse("its description has no \"config\"", origin + ", /meta");
  return meta;
}

/// The parameters that a model with these has: of a part that may be lacking all, or none.
std::vector<Parameter> expected(const Backbone& backbone, const Params& stored) {
  const std::vector<Parameter> all = backbone.parameters();
  std::set<Part> parts{Part::embeddings, Part::layers};
  for (const Parameter& parameter : all) {
    if (stored.contains(parameter.name)) parts.insert(parameter.part);
  }
  std::vector<Parameter> out;
  for (const Parameter& parameter : all) {
    if (parts.contains(parameter.part)) out.push_back(parameter);
  }
  return out;
}

/// A stored tensor as the backbone wants it: of its shape, real, finite.
at::Tensor checked(at::Tensor value, const Parameter& parameter, const std::string& where) {
  if (value.sizes() != at::IntArrayRef(parameter.shape)) {
    refuse(fmt::format("its shape is [{}], the configuration asks for [{}]",
                       fmt::join(value.sizes(), ", "), fmt::join(parameter.shape, ", ")),
           where, "Configuration and weights must be of the same model");
  }
  if (!value.is_floating_point()) refuse("it does not hold real numbers", where);
  if (value.scalar_type() != at::kDouble) value = value.to(at::kFloat);
  const std::int64_t bad = value.isfinite().logical_not().sum().item<std::int64_t>();
  if (bad > 0) {
    refuse(fmt::format("{} of its {} numbers are NaN or infinite", bad, value.numel()), where,
           "The weights are spoilt: import the model again, or take an earlier one");
  }
  return value;
}

/// Every expected tensor is there, of its shape, finite; and nothing else is.
Params checked_weights(const Params& stored, const Backbone& backbone, const std::string& origin) {
  const std::string where = origin + ", /parameters/";
  const std::vector<Parameter> wanted = expected(backbone, stored);
  std::vector<std::string> known, unexpected;
  for (const Parameter& parameter : wanted) known.push_back(parameter.name);
  for (const auto& [name, value] : stored) {
    if (!std::binary_search(known.begin(), known.end(), name)) unexpected.push_back(name);
  }
  Params out;
  for (const Parameter& parameter : wanted) {
    const std::string& name = parameter.name;
    if (!stored.contains(name)) {
      refuse("the tensor " + name + " is missing", origin,
             unexpected.empty() ? "Import the model again" : did_you_mean(name, unexpected));
    }
    out.set(name, checked(stored.at(name), parameter, where + name));
  }
  if (!unexpected.empty()) {
    refuse("the backbone has no such parameter", where + unexpected.front(),
           did_you_mean(unexpected.front(), known));
  }
  return out;
}

}  // namespace

Pretrained Pretrained::from_archive(const Archive& archive, const std::string& origin) {
  if (!archive.contains("meta")) refuse("it is no model archive", origin, "Give a model archive");
  Pretrained out;
  out.meta = archive.text("meta");
  const Json meta = checked_meta(out.meta, origin);
  const std::string name = text_of(meta, "backbone", origin);
  out.tokenizer_digest = text_of(meta, "tokenizer_digest", origin);
  const std::vector<std::string> known = Registry<Backbone>::names();
  if (std::find(known.begin(), known.end(), name) == known.end()) {
    refuse("there is no backbone called \"" + name + "\"", origin, did_you_mean(name, known));
  }
  out.backbone = Registry<Backbone>::make(name, meta.at("config").dump());

  out.tokenizer_json = archive.text("tokenizer/tokenizer.json");
  out.tokenizer = tokenizer_of(lines_of(archive.text("tokenizer/vocabulary")), out.tokenizer_json,
                               origin + ", /tokenizer/tokenizer.json");
  if (out.tokenizer->size() != out.backbone->geometry().vocabulary) {
    refuse(fmt::format("{} word pieces, but {} word embeddings", out.tokenizer->size(),
                       out.backbone->geometry().vocabulary),
           origin + ", /tokenizer/vocabulary", "Tokenizer and weights must be of the same model");
  }
  check_roles(out.backbone->framing(), *out.tokenizer, origin + ", /tokenizer");
  out.weights = checked_weights(archive.params("parameters"), *out.backbone, origin);
  for (const auto& [each, value] : out.weights) {
    if (value.scalar_type() == at::kDouble) out.dtype = at::kDouble;
  }
  out.place(out.device, out.dtype);  // of all, also where an archive holds both
  return out;
}

void Pretrained::place(at::Device to, at::ScalarType as) {
  device = to;
  dtype = as;
  weights = weights.map([&](const at::Tensor& value) { return value.to(to, as); });
}

Cost Pretrained::gradient_cost(Pass pass, double passes) const {
  pass.recompute = recompute;
  Cost cost = backbone->cost(pass, dtype);
  cost.flops *= passes;
  if (recompute) {
    pass.head_rows = 0;  // nothing but layers
    cost.flops += backbone->cost(pass, dtype).flops;
  }
  return cost;
}

void Pretrained::freeze(const std::set<std::string>& trained) {
  Params out;
  for (const auto& [name, value] : weights) {
    const bool matrix = value.dim() > 1;
    out.set(name, matrix && !trained.contains(name) ? value.to(at::kBFloat16) : value);
  }
  weights = std::move(out);
}

Params Pretrained::weights_of(std::initializer_list<Part> parts) const {
  Params out;
  for (const Parameter& parameter : backbone->parameters(parts)) {
    if (weights.contains(parameter.name)) out.set(parameter.name, weights.at(parameter.name));
  }
  return out;
}

Archive Pretrained::to_archive(const Params& weights) const {
  std::string pieces;
  for (std::int64_t id = 0; id < tokenizer->size(); ++id) {
    if (id > 0) pieces.push_back('\n');
    pieces.append(tokenizer->piece(id));
  }
  Archive out;
  out.put_text("meta", meta);
  out.put_text("tokenizer/tokenizer.json", tokenizer_json);
  out.put_text("tokenizer/vocabulary", std::move(pieces));
  // In the host's memory: a device's is for computing.
  out.put_params("parameters", weights.detached().map([](const at::Tensor& v) { return v.cpu(); }));
  return out;
}

}  // namespace metaloom
