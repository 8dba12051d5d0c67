// WordPiece (Wu et al. 2016, as in BERT): words in pieces, longest match first. Words are split and
// lower-cased as BERT does it for ASCII; a word with other letters is found whole or not at all.
#include <algorithm>

#include "core/registry.h"
#include "models/tokenizers/tokenizer.h"
#include "models/tokenizers/tokenizer_json.h"

namespace metaloom {
namespace {

// BERT's tokenizer calls a longer word unknown without looking.
constexpr std::size_t kLongestWord = 100;

// BERT's definition: every printable ASCII character that is no letter, digit or space.
bool is_punctuation(char c) {
  return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
         (c >= 123 && c <= 126);
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool lower_cases(const std::string& json) {
  const Json settings = tokenizer_settings(json, "tokenizer.json");
  if (!settings.is_object() || !settings.contains("normalizer") ||
      !settings.at("normalizer").is_object()) {
    return false;
  }
  return settings.at("normalizer").value("lowercase", Json(false)) == true;
}

class WordPiece final : public Tokenizer {
 public:
  WordPiece(std::vector<std::string> pieces, const std::string& json)
      : Tokenizer(std::move(pieces), {.begin = "[CLS]",
                                      .end = "[SEP]",
                                      .mask = "[MASK]",
                                      .pad = "[PAD]",
                                      .unknown = "[UNK]"}),
        lower_case_(lower_cases(json)) {}

  std::vector<std::int32_t> pieces_of(std::string_view words, Before before) const override;
  std::string words_of(const std::vector<std::int64_t>& ids) const override;

 private:
  void add_token(std::string_view token, std::vector<std::int32_t>& out) const;
  void add_word(std::string_view word, std::vector<std::int32_t>& out) const;

  bool lower_case_;
};

void WordPiece::add_word(std::string_view word, std::vector<std::int32_t>& out) const {
  const std::size_t before = out.size();
  std::string candidate;
  std::size_t start = 0;
  while (start < word.size()) {
    const std::string_view prefix = start == 0 ? "" : "##";
    std::size_t length = std::min(word.size() - start, longest());
    std::int32_t id = -1;
    for (; length > 0; --length) {
      candidate.assign(prefix).append(word.substr(start, length));
      id = find(candidate);
      if (id >= 0) break;
    }
    if (id < 0 || word.size() > kLongestWord) {
      out.resize(before);
      out.push_back(special(Special::unknown));
      return;
    }
    out.push_back(id);
    start += length;
  }
}

void WordPiece::add_token(std::string_view token, std::vector<std::int32_t>& out) const {
  std::string word;
  const auto flush = [&] {
    if (!word.empty()) add_word(word, out);
    word.clear();
  };
  for (std::size_t i = 0; i < token.size(); ++i) {
    const std::size_t close = token[i] == '[' ? token.find(']', i) : std::string_view::npos;
    const std::int32_t whole =
        close == std::string_view::npos ? -1 : find(token.substr(i, close - i + 1));
    if (whole >= 0) {
      flush();
      out.push_back(whole);
      i = close;
    } else if (is_punctuation(token[i])) {
      flush();
      add_word(token.substr(i, 1), out);
    } else {
      word.push_back(lower_case_ ? lower(token[i]) : token[i]);
    }
  }
  flush();
}

// Spaces are in no piece, so that what stands before does not matter.
std::vector<std::int32_t> WordPiece::pieces_of(std::string_view words, Before) const {
  std::vector<std::int32_t> out;
  std::size_t start = 0;
  while (start < words.size()) {
    const std::size_t end = std::min(words.find(' ', start), words.size());
    add_token(words.substr(start, end - start), out);
    start = end + 1;
  }
  return out;
}

std::string WordPiece::words_of(const std::vector<std::int64_t>& ids) const {
  std::string out;
  for (const std::int64_t id : ids) {
    if (id == special(Special::pad)) continue;
    const std::string& piece = known_piece(id);
    if (piece.starts_with("##")) {
      out.append(piece, 2);
    } else {
      if (!out.empty()) out.push_back(' ');
      out.append(piece);
    }
  }
  return out;
}

const Register<Tokenizer> here{"WordPiece", "BERT's word pieces (Wu et al. 2016)",
                               [](std::vector<std::string> pieces, const std::string& json) {
                                 return std::make_unique<WordPiece>(std::move(pieces), json);
                               }};

}  // namespace
}  // namespace metaloom
