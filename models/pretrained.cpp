#include "models/pretrained.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "core/json.h"
#include "core/registry.h"
#include "core/spelling.h"

namespace metaloom {
namespace {

using Shapes = std::map<std::string, std::vector<std::int64_t>>;

const char* const kFormat = "metaloom-model";
const std::string kPooler = "pooler.";
const std::string kHead = "cls.predictions.";

[[noreturn]] void refuse(const std::string& what, const std::string& where,
                         const std::string& cure = "Import the model again") {
  throw Error(Fault::data, what, where, cure);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::size_t start = 0;
  while (start < text.size()) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    out.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return out;
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

bool lower_cases(const std::string& tokenizer, const std::string& origin) {
  const Json json = parse_json(tokenizer, origin + ", /tokenizer/tokenizer.json");
  if (!json.is_object() || !json.contains("normalizer") || !json.at("normalizer").is_object()) {
    return false;
  }
  return json.at("normalizer").value("lowercase", Json(false)) == true;
}

bool any_starts_with(const Params& params, const std::string& prefix) {
  return std::any_of(params.begin(), params.end(),
                     [&](const auto& item) { return item.first.starts_with(prefix); });
}

/// Every expected tensor is there, of its shape, finite; and nothing else is.
Params checked_weights(const Params& stored, const Shapes& shapes, const std::string& origin) {
  const std::string where = origin + ", /parameters/";
  std::vector<std::string> unexpected;
  for (const auto& [name, value] : stored) {
    if (shapes.find(name) == shapes.end()) unexpected.push_back(name);
  }
  Params out;
  for (const auto& [name, shape] : shapes) {
    if (!stored.contains(name)) {
      refuse("the tensor " + name + " is missing", origin,
             unexpected.empty() ? "Import the model again" : did_you_mean(name, unexpected));
    }
    at::Tensor value = stored.at(name);
    if (value.sizes() != at::IntArrayRef(shape)) {
      refuse(fmt::format("its shape is [{}], the configuration asks for [{}]",
                         fmt::join(value.sizes(), ", "), fmt::join(shape, ", ")),
             where + name, "Configuration and weights must be of the same model");
    }
    if (!value.is_floating_point()) refuse("it does not hold real numbers", where + name);
    if (value.scalar_type() != at::kDouble) value = value.to(at::kFloat);
    const std::int64_t bad = value.isfinite().logical_not().sum().item<std::int64_t>();
    if (bad > 0) {
      refuse(fmt::format("{} of its {} numbers are NaN or infinite", bad, value.numel()),
             where + name,
             "The weights are spoilt: import the model again, or take an earlier one");
    }
    out.set(name, value);
  }
  if (!unexpected.empty()) {
    std::vector<std::string> known;
    for (const auto& [name, shape] : shapes) known.push_back(name);
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

  out.tokenizer = archive.text("tokenizer/tokenizer.json");
  out.vocabulary = std::make_unique<Vocabulary>(lines_of(archive.text("tokenizer/vocabulary")),
                                                lower_cases(out.tokenizer, origin));
  if (out.vocabulary->size() != out.backbone->geometry().vocabulary) {
    refuse(fmt::format("{} word pieces, but {} word embeddings", out.vocabulary->size(),
                       out.backbone->geometry().vocabulary),
           origin + ", /tokenizer/vocabulary", "Tokenizer and weights must be of the same model");
  }
  const Params stored = archive.params("parameters");
  out.weights = checked_weights(
      stored,
      out.backbone->shapes(any_starts_with(stored, kPooler), any_starts_with(stored, kHead)),
      origin);
  return out;
}

Archive Pretrained::to_archive(const Params& weights) const {
  std::string pieces;
  for (std::int64_t id = 0; id < vocabulary->size(); ++id) {
    if (id > 0) pieces.push_back('\n');
    pieces.append(vocabulary->piece(id));
  }
  Archive out;
  out.put_text("meta", meta);
  out.put_text("tokenizer/tokenizer.json", tokenizer);
  out.put_text("tokenizer/vocabulary", std::move(pieces));
  out.put_params("parameters", weights.detached());
  return out;
}

}  // namespace metaloom
