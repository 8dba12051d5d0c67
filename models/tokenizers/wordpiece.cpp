// WordPiece (Wu et al. 2016, as in BERT): words in pieces, longest match first.
#include <algorithm>

#include "core/registry.h"
#include "models/tokenizers/added_tokens.h"
#include "models/tokenizers/tokenizer.h"
#include "models/tokenizers/tokenizer_json.h"
#include "models/tokenizers/unicode.h"

namespace metaloom {
namespace {

const Tokenizer::Spelling kSpecials{
    .begin = "[CLS]", .end = "[SEP]", .mask = "[MASK]", .pad = "[PAD]", .unknown = "[UNK]"};

class WordPiece final : public Tokenizer {
 public:
  WordPiece(std::vector<std::string> pieces, const Json& settings);

  std::vector<std::int32_t> pieces_of(std::string_view words, Before before) const override;
  std::string words_of(const std::vector<std::int64_t>& ids) const override;

 private:
  /// The settings, where special pieces stand for themselves although nothing lists them.
  Json with_specials(Json settings) const;
  void add_word(std::string_view word, std::vector<std::int32_t>& out) const;

  AddedTokens added_;
  bool signs_apart_;             // else words are cut at white space only
  std::string continuing_;       // how a piece begins that begins no word
  std::size_t most_characters_;  // of a word; longer ones are unknown without looking
};

WordPiece::WordPiece(std::vector<std::string> pieces, const Json& settings)
    : Tokenizer(std::move(pieces), kSpecials), added_(with_specials(settings)) {
  const Json cutting = settings.value("pre_tokenizer", Json());
  const std::string kind =
      cutting.is_object() ? cutting.value("type", "") : std::string("BertPreTokenizer");
  signs_apart_ = kind == "BertPreTokenizer";
  if (!signs_apart_ && kind != "WhitespaceSplit") {
    refuse_setting("pre_tokenizer",
                   "it cuts words by " + kind + ", known are BertPreTokenizer, WhitespaceSplit");
  }
  const Json model = settings.value("model", Json::object());
  continuing_ = model.value("continuing_subword_prefix", "##");
  most_characters_ = model.value("max_input_chars_per_word", std::size_t{100});
}

Json WordPiece::with_specials(Json settings) const {
  Json& listed = settings["added_tokens"];
  if (!listed.is_array()) listed = Json::array();
  for (const std::string* piece :
       {&kSpecials.begin, &kSpecials.end, &kSpecials.mask, &kSpecials.pad, &kSpecials.unknown}) {
    const bool there = std::any_of(listed.begin(), listed.end(), [piece](const Json& one) {
      return one.value("content", "") == *piece;
    });
    if (!there) listed.push_back({{"id", find(*piece)}, {"content", *piece}, {"special", true}});
  }
  return settings;
}

void WordPiece::add_word(std::string_view word, std::vector<std::int32_t>& out) const {
  const std::size_t before = out.size();
  const bool too_long = characters_of(word) > most_characters_;
  std::string candidate;
  for (std::size_t start = 0; start < word.size();) {
    std::size_t length = too_long ? 0 : std::min(word.size() - start, longest());
    std::int32_t id = -1;
    for (; length > 0; --length) {
      candidate.assign(start == 0 ? "" : continuing_).append(word.substr(start, length));
      id = find(candidate);
      if (id >= 0) break;
    }
    if (id < 0) {
      out.resize(before);
      out.push_back(special(Special::unknown));
      return;
    }
    out.push_back(id);
    start += length;
  }
}

// Spaces are in no piece, so that what stands before does not matter.
std::vector<std::int32_t> WordPiece::pieces_of(std::string_view words, Before) const {
  std::vector<std::int32_t> out;
  for (const AddedTokens::Part& part : added_.parts(words)) {
    if (part.id >= 0) {
      out.push_back(part.id);
      continue;
    }
    for (const std::string& word : words_between_spaces(part.text, signs_apart_))
      add_word(word, out);
  }
  return out;
}

std::string WordPiece::words_of(const std::vector<std::int64_t>& ids) const {
  std::string out;
  for (const std::int64_t id : ids) {
    if (id == special(Special::pad)) continue;
    const std::string& piece = known_piece(id);
    if (!continuing_.empty() && piece.starts_with(continuing_)) {
      out.append(piece, continuing_.size());
    } else {
      if (!out.empty()) out.push_back(' ');
      out.append(piece);
    }
  }
  return out;
}

const Register<Tokenizer> here{"WordPiece", "BERT's word pieces (Wu et al. 2016)",
                               [](std::vector<std::string> pieces, const std::string& json) {
                                 return reading_settings([&] {
                                   const Json settings = tokenizer_settings(json, "tokenizer.json");
                                   return std::make_unique<WordPiece>(
                                       std::move(pieces),
                                       settings.is_object() ? settings : Json::object());
                                 });
                               }};

}  // namespace
}  // namespace metaloom
