// metaloom models: the kinds of models that can be imported; of one, what its files must hold.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/config/fields.h"
#include "core/error.h"
#include "core/files/files.h"
#include "core/json.h"
#include "core/registry.h"
#include "core/spelling.h"
#include "launcher/verbs/verb.h"
#include "models/backbone.h"
#include "models/vocabulary.h"

namespace metaloom {
namespace {

Json json_of(const Parameter& parameter) {
  return {{"name", parameter.name},
          {"shape", parameter.shape},
          {"part", words_of(parameter.part)[static_cast<std::size_t>(parameter.part)]},
          {"layer", parameter.layer}};
}

/// The special pieces that rows are framed with, by role.
Json roles_of(const Framing& framing) {
  std::set<std::string> roles;
  for (const auto* part : {&framing.before, &framing.between, &framing.after}) {
    for (const Special role : *part) roles.emplace(words_of(role)[static_cast<std::size_t>(role)]);
  }
  if (framing.answer == ReadAt::mask) roles.emplace("mask");
  return roles;
}

/// What tools/weights.py reads and writes files by: there is one place that knows a kind's
/// parameters, and it is the backbone.
Json description_of(const std::string& name, const Backbone& backbone) {
  const HubLayout layout = backbone.hub_layout();
  const Backbone::Geometry geometry = backbone.geometry();
  Json tied = Json::object(), parameters = Json::array();
  for (const auto& [theirs, ours] : layout.tied) tied[theirs] = ours;
  for (const Parameter& parameter : backbone.parameters()) parameters.push_back(json_of(parameter));
  return {{"backbone", name},
          {"layers", geometry.layers},
          {"width", geometry.width},
          {"vocabulary", geometry.vocabulary},
          {"positions", geometry.positions},
          {"roles", roles_of(backbone.framing())},
          {"types", backbone.framing().types},
          {"prefix", layout.prefix},
          {"tied", tied},
          {"ignored", layout.ignored},
          {"transposed", layout.transposed},
          {"flat", layout.flat},
          {"parameters", parameters}};
}

struct TokenizerFiles {
  std::string tokenizer, pieces;

  void fields(Fields& f) {
    f.text("tokenizer", tokenizer, "a tokenizer.json that is to run with the model");
    f.text("pieces", pieces, "its pieces, one a line, by number");
  }
  void check(const Backbone& backbone) const {
    const auto made = tokenizer_of(lines_of(read_text(pieces)), read_text(tokenizer), tokenizer);
    check_roles(backbone.framing(), *made, tokenizer);
  }
};

class Models final : public Verb {
 public:
  std::string help() const override {
    return "metaloom models [CONFIG.json]\n\n"
           "Lists the kinds of models that `metaloom import` takes, by the model_type of their\n"
           "config.json. With a model's config.json it prints, as JSON, the name, shape and part "
           "of\n"
           "every parameter that such a model has, and how Hugging Face's files spell them.\n\n"
           "With tokenizer=TOKENIZER.json pieces=FILE (one a line, by number) it refuses a "
           "tokenizer\n"
           "that cannot run here, or that lacks a piece that the model's rows need.\n"
           "\nExample\n  metaloom models FOLDER/config.json\n";
  }

  int run(const Arguments& arguments) const override {
    TokenizerFiles files;
    Table table;
    for (const std::string& assignment : arguments.assignments) table.assign(assignment);
    read_fields(table, "", files);
    if (arguments.targets.empty() && arguments.assignments.empty()) {
      for (const auto& [name, entry] : Registry<Backbone>::entries())
        fmt::print("{:14} {}\n", name, entry.about);
      return 0;
    }
    const std::string file = only_target(arguments, "models", "a config.json");
    const std::string text = read_text(file);
    const Json config = parse_json(text, file);
    const Json type = config.is_object() ? config.value("model_type", Json()) : Json();
    if (!type.is_string()) {
      throw Error(Fault::data, "it says no \"model_type\"", file, "Give a model's config.json.");
    }
    const auto name = type.get<std::string>();
    const std::vector<std::string> known = Registry<Backbone>::names();
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw Error(Fault::data, fmt::format("models of the kind \"{}\" are not known", name), file,
                  did_you_mean(name, known));
    }
    const auto backbone = Registry<Backbone>::make(name, text);
    if (!files.tokenizer.empty()) files.check(*backbone);
    fmt::print("{}\n", description_of(name, *backbone).dump());
    return 0;
  }
};

const Register<Verb> here{"models", "list the kinds of models that can be imported",
                          [] { return std::make_unique<Models>(); }};

}  // namespace
}  // namespace metaloom
