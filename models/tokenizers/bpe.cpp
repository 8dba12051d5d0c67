// Byte-pair encoding (Sennrich et al. 2016): a word begins as its characters, or as letters for its
// bytes (GPT-2, RoBERTa, Llama 3), and the pair of neighbours that was learnt first is joined until
// none is left that was.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <unordered_map>

#include "core/error.h"
#include "core/registry.h"
#include "models/tokenizers/added_tokens.h"
#include "models/tokenizers/bpe_words.h"
#include "models/tokenizers/byte_level.h"
#include "models/tokenizers/tokenizer.h"
#include "models/tokenizers/tokenizer_json.h"
#include "models/tokenizers/unicode.h"

namespace metaloom {
namespace {

using Ids = std::vector<std::int32_t>;

class Bpe final : public Tokenizer {
 public:
  Bpe(std::vector<std::string> pieces, const Json& settings);

  std::vector<std::int32_t> pieces_of(std::string_view words, Before before) const override;
  std::string words_of(const std::vector<std::int64_t>& ids) const override;

 private:
  struct Merge {
    std::size_t rank;  // the lower, the earlier learnt
    std::int32_t joined;
  };

  void read_model(const Json& model);
  void read_merges(const Json& merges);
  void read_bytes();
  std::int32_t known(const std::string& piece) const;
  static std::uint64_t key(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
  }

  void add_word(std::string_view word, Ids& out) const;
  Ids characters_of(std::string_view word) const;
  bool add_bytes(std::string_view character, Ids& out) const;
  const Merge* merge_of(const Ids& pieces, std::size_t left) const;
  void join(Ids& pieces) const;

  AddedTokens added_;
  BpeWords words_;
  std::unordered_map<std::uint64_t, Merge> merges_;
  Ids bytes_;                  // by byte, -1: no piece; empty: bytes are not spelled
  std::int32_t missing_ = -1;  // stands for a character without a piece; -1: nothing does
  bool one_for_many_missing_ = false;
  bool whole_words_first_ = false;
};

Bpe::Bpe(std::vector<std::string> pieces, const Json& settings)
    : Tokenizer(std::move(pieces), roles_of(settings)),
      added_(settings),
      words_(settings.value("pre_tokenizer", Json())) {
  read_model(settings.at("model"));
}

void Bpe::read_model(const Json& model) {
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json value = model.value(affix, Json());
    if (!value.is_null() && value != "")
      refuse_setting(affix, "pieces are marked by " + value.dump());
  }
  if (const Json chance = model.value("dropout", Json()); !chance.is_null() && chance != 0.0)
    refuse_setting("dropout", "merges are left out by chance");
  if (model.value("byte_fallback", Json()) == true) read_bytes();
  one_for_many_missing_ = model.value("fuse_unk", Json()) == true;
  whole_words_first_ = model.value("ignore_merges", Json()) == true;
  if (model.value("unk_token", Json()).is_string()) missing_ = special(Special::unknown);
  read_merges(model.at("merges"));
}

void Bpe::read_bytes() {
  for (int byte = 0; byte < 256; ++byte)
    bytes_.push_back(find(byte_piece(static_cast<unsigned char>(byte))));
}

std::int32_t Bpe::known(const std::string& piece) const {
  const std::int32_t id = find(piece);
  if (id < 0) {
    throw Error(Fault::data, "the merges need the piece \"" + piece + "\", which is missing",
                "vocabulary", "Import a model whose vocabulary is that of its tokenizer.json");
  }
  return id;
}

// Files of the first years write the two as one text.
void Bpe::read_merges(const Json& merges) {
  merges_.reserve(merges.size());
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const Json& merge = merges[rank];
    std::string left, right;
    if (merge.is_string()) {
      const std::string both = merge.get<std::string>();
      const std::size_t space = both.find(' ');
      if (space == std::string::npos) refuse_setting("merges", "\"" + both + "\" is no pair");
      left = both.substr(0, space);
      right = both.substr(space + 1);
    } else {
      left = merge.at(0).get<std::string>();
      right = merge.at(1).get<std::string>();
    }
    merges_.insert_or_assign(key(known(left), known(right)), Merge{rank, known(left + right)});
  }
}

/// The character in bytes, where each of them has a piece.
bool Bpe::add_bytes(std::string_view character, Ids& out) const {
  const auto lacks_piece = [this](char c) { return bytes_[static_cast<unsigned char>(c)] < 0; };
  if (bytes_.empty() || std::any_of(character.begin(), character.end(), lacks_piece)) return false;
  for (const char c : character) out.push_back(bytes_[static_cast<unsigned char>(c)]);
  return true;
}

// What is missing waits for the next character that has a piece: bytes overtake it, as they do in
// the library `tokenizers`.
Ids Bpe::characters_of(std::string_view word) const {
  Ids out;
  bool waits = false;
  const auto put_missing = [&] {
    if (waits) out.push_back(missing_);
  };
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t start = at;
    next_character(word, at);
    const std::string_view character = word.substr(start, at - start);
    if (const std::int32_t id = find(character); id >= 0) {
      put_missing();
      waits = false;
      out.push_back(id);
    } else if (!add_bytes(character, out) && missing_ >= 0) {
      if (!one_for_many_missing_) put_missing();
      waits = true;
    }
  }
  put_missing();
  return out;
}

const Bpe::Merge* Bpe::merge_of(const Ids& pieces, std::size_t left) const {
  if (left + 1 >= pieces.size()) return nullptr;
  const auto it = merges_.find(key(pieces[left], pieces[left + 1]));
  return it == merges_.end() ? nullptr : &it->second;
}

void Bpe::join(Ids& pieces) const {
  std::vector<const Merge*> merges;  // of each piece with the next
  for (std::size_t left = 0; left < pieces.size(); ++left) merges.push_back(merge_of(pieces, left));
  const auto rank = [](const Merge* merge) {
    return merge == nullptr ? std::numeric_limits<std::size_t>::max() : merge->rank;
  };
  while (pieces.size() > 1) {
    const auto best = std::min_element(merges.begin(), merges.end(),
                                       [&](auto* a, auto* b) { return rank(a) < rank(b); });
    if (*best == nullptr) return;
    const auto place = static_cast<std::size_t>(best - merges.begin());
    pieces[place] = (*best)->joined;
    merges.erase(best);
    pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(place) + 1);
    merges[place] = merge_of(pieces, place);
    if (place > 0) merges[place - 1] = merge_of(pieces, place - 1);
  }
}

void Bpe::add_word(std::string_view word, Ids& out) const {
  if (const std::int32_t id = whole_words_first_ ? find(word) : -1; id >= 0) {
    out.push_back(id);
    return;
  }
  Ids pieces = characters_of(word);
  join(pieces);
  out.insert(out.end(), pieces.begin(), pieces.end());
}

std::vector<std::int32_t> Bpe::pieces_of(std::string_view words, Before before) const {
  Ids out;
  for (const AddedTokens::Part& part :
       added_.parts(with_space(words, before == Before::space, added_))) {
    if (part.id >= 0) {
      out.push_back(part.id);
      continue;
    }
    for (const std::string& word : words_.words_of(part.text, part.beginning)) add_word(word, out);
  }
  return out;
}

// The space before the first word belongs to no word.
std::string Bpe::words_of(const std::vector<std::int64_t>& ids) const {
  std::string out;
  for (const std::int64_t id : ids) {
    const std::string& piece = known_piece(id);
    if (id == special(Special::pad)) continue;
    const std::string* added = added_.spelling(static_cast<std::int32_t>(id));
    const auto byte = std::find(bytes_.begin(), bytes_.end(), static_cast<std::int32_t>(id));
    if (byte != bytes_.end()) {
      out.push_back(static_cast<char>(byte - bytes_.begin()));
    } else {
      out += added != nullptr ? *added : words_.read_back(piece);
    }
  }
  if (out.starts_with(' ')) out.erase(0, 1);
  return readable(out);
}

const Register<Tokenizer> here{
    "BPE", "byte-pair encoding, as of GPT-2, RoBERTa and Llama (Sennrich et al. 2016)",
    [](std::vector<std::string> pieces, const std::string& json) {
      return reading_settings([&] {
        return std::make_unique<Bpe>(std::move(pieces), tokenizer_settings(json, "tokenizer.json"));
      });
    }};

}  // namespace
}  // namespace metaloom
