#include "models/tokenizers/tokenizer.h"

#include <algorithm>

#include "core/error.h"
#include "core/registry.h"
#include "models/tokenizers/tokenizer_json.h"

namespace metaloom {

Tokenizer::Tokenizer(std::vector<std::string> pieces, const Spelling& specials)
    : pieces_(std::move(pieces)) {
  for (std::size_t id = 0; id < pieces_.size(); ++id) {
    const std::string& piece = pieces_[id];
    if (!ids_.emplace(piece, static_cast<std::int32_t>(id)).second) {
      throw Error(Fault::data, "the word piece \"" + piece + "\" stands twice",
                  "vocabulary, line " + std::to_string(id + 1), "Import the model again");
    }
    longest_ = std::max(longest_, piece.size());
  }
  const auto set = [this](Special role, const std::string& spelling) {
    const std::int32_t id = spelling.empty() ? -1 : find(spelling);
    if (id < 0 && !spelling.empty()) {
      throw Error(Fault::data, "there is no " + spelling, "vocabulary",
                  "Import a model whose vocabulary is that of its tokenizer.json");
    }
    specials_[static_cast<std::size_t>(role)] = id;
  };
  set(Special::begin, specials.begin);
  set(Special::end, specials.end);
  set(Special::mask, specials.mask);
  set(Special::pad, specials.pad);
  set(Special::unknown, specials.unknown);
}

std::int32_t Tokenizer::find(std::string_view piece) const {
  const auto it = ids_.find(piece);
  return it == ids_.end() ? -1 : it->second;
}

const std::string& Tokenizer::known_piece(std::int64_t id) const {
  if (id < 0 || id >= size()) {
    throw Error(Fault::internal,
                "id " + std::to_string(id) + " in a vocabulary of " + std::to_string(size()));
  }
  return pieces_[static_cast<std::size_t>(id)];
}

std::unique_ptr<Tokenizer> tokenizer_of(std::vector<std::string> pieces, const std::string& json,
                                        const std::string& origin) {
  const Json settings = tokenizer_settings(json, origin);
  const Json model = settings.is_object() ? settings.value("model", Json()) : Json();
  // Files of the first years name no kind: they are BERT's.
  const Json kind = model.is_object() ? model.value("type", Json("WordPiece")) : Json("WordPiece");
  const std::vector<std::string> known = Registry<Tokenizer>::names();
  if (!kind.is_string() || std::find(known.begin(), known.end(), kind) == known.end()) {
    throw Error(Fault::data, "there is no tokenizer of the kind " + kind.dump(), origin,
                did_you_mean(kind.is_string() ? kind.get<std::string>() : kind.dump(), known));
  }
  return Registry<Tokenizer>::make(kind.get<std::string>(), std::move(pieces), settings.dump());
}

}  // namespace metaloom
