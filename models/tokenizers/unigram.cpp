// Unigram pieces (Kudo 2018, as in SentencePiece): of all the ways to cut a word, the one whose
// pieces have the greatest sum of scores. Words carry the space before them as a letter.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <unordered_map>

#include "core/error.h"
#include "core/registry.h"
#include "models/tokenizers/added_tokens.h"
#include "models/tokenizers/byte_level.h"
#include "models/tokenizers/spaces.h"
#include "models/tokenizers/tokenizer.h"
#include "models/tokenizers/tokenizer_json.h"
#include "models/tokenizers/unicode.h"

namespace metaloom {
namespace {

using Ids = std::vector<std::int32_t>;

// A character without a piece costs that much more than the worst piece.
constexpr double kUnknownPenalty = 10.0;

/// A number as the library `tokenizers` reads it: its digits as a whole number, times or over a
/// power of ten. That is a last place off at times, which decides between ways to cut of equal
/// scores.
double as_the_library_reads(const Json& number) {
  const double exact = number.get<double>();
  const std::string text = number.dump();
  std::uint64_t digits = 0;
  int exponent = 0;
  bool fraction = false;
  std::size_t at = text.starts_with('-') ? 1 : 0;
  for (; at < text.size() && text[at] != 'e'; ++at) {
    fraction = fraction || text[at] == '.';
    if (text[at] == '.') continue;
    digits = digits * 10 + static_cast<std::uint64_t>(text[at] - '0');  // 17 at most
    if (fraction) --exponent;
  }
  if (at < text.size()) exponent += std::stoi(text.substr(at + 1));
  if (std::abs(exponent) > 22) return exact;
  const double power = std::pow(10.0, std::abs(exponent));  // exact up to here
  const double size =
      exponent < 0 ? static_cast<double>(digits) / power : static_cast<double>(digits) * power;
  return exact < 0 ? -size : size;
}

class Unigram final : public Tokenizer {
 public:
  Unigram(std::vector<std::string> pieces, const Json& settings);

  std::vector<std::int32_t> pieces_of(std::string_view words, Before before) const override;
  std::string words_of(const std::vector<std::int64_t>& ids) const override;

 private:
  /// The best way to cut a word up to some place: where its last piece begins, -1: there is none.
  struct Best {
    double score = 0;
    std::ptrdiff_t start = -1;
    bool unknown = false;
  };

  void read_pieces(const Json& table);
  void read_bytes();
  std::vector<Best> best_of(std::string_view word) const;
  void add_word(std::string_view word, Ids& out) const;
  void add_piece(std::string_view piece, Ids& out) const;
  std::string spelled(std::int64_t id) const;

  AddedTokens added_;
  Spaces spaces_;
  std::unordered_map<std::string, std::int32_t> ids_;  // as tokenizer.json has them
  std::vector<double> scores_;
  std::vector<std::int32_t> bytes_;  // by byte, -1: no piece; empty: bytes are not spelled
  double unknown_score_ = 0;
  std::size_t longest_ = 0;
};

Unigram::Unigram(std::vector<std::string> pieces, const Json& settings)
    : Tokenizer(std::move(pieces), roles_of(settings)),
      added_(settings),
      spaces_(settings.value("pre_tokenizer", Json())) {
  const Json& model = settings.at("model");
  read_pieces(model.at("vocab"));
  if (!model.value("unk_id", Json()).is_number_integer())
    refuse_setting("unk_id", "its Unigram has no unknown piece");
  if (model.value("byte_fallback", Json()) == true) read_bytes();
}

void Unigram::read_pieces(const Json& table) {
  if (std::ssize(table) > size()) {
    throw Error(Fault::data, "tokenizer.json has more pieces than the vocabulary", "vocabulary",
                "Import the model again");
  }
  double worst = std::numeric_limits<double>::infinity();
  for (const Json& entry : table) {
    const auto id = static_cast<std::int32_t>(scores_.size());
    scores_.push_back(as_the_library_reads(entry.at(1)));
    worst = std::min(worst, scores_.back());
    const std::string piece = entry.at(0).get<std::string>();
    longest_ = std::max(longest_, piece.size());
    ids_.insert_or_assign(piece, id);
  }
  unknown_score_ = worst - kUnknownPenalty;
}

void Unigram::read_bytes() {
  for (int byte = 0; byte < 256; ++byte) {
    const auto it = ids_.find(byte_piece(static_cast<unsigned char>(byte)));
    bytes_.push_back(it == ids_.end() ? -1 : it->second);
  }
}

/// For each place of the word, Viterbi's best way there; of equal ways, the first found.
std::vector<Unigram::Best> Unigram::best_of(std::string_view word) const {
  std::vector<Best> best(word.size() + 1);
  const auto offer = [&best](std::size_t start, std::size_t end, double score, bool unknown) {
    Best& there = best[end];
    if (there.start >= 0 && score <= there.score) return;
    there = {score, static_cast<std::ptrdiff_t>(start), unknown};
  };
  std::string piece;
  for (std::size_t start = 0; start < word.size();) {
    std::size_t next = start;
    next_character(word, next);
    bool has_piece = false;
    piece.clear();
    for (std::size_t end = start; end < word.size() && piece.size() < longest_;) {
      piece.push_back(word[end++]);
      const auto it = ids_.find(piece);
      if (it == ids_.end()) continue;
      const bool is_unknown = it->second == special(Special::unknown);
      offer(start, end, scores_[static_cast<std::size_t>(it->second)] + best[start].score,
            is_unknown);
      has_piece = has_piece || end == next;
    }
    if (!has_piece) offer(start, next, unknown_score_ + best[start].score, true);
    start = next;
  }
  return best;
}

void Unigram::add_word(std::string_view word, Ids& out) const {
  const std::vector<Best> best = best_of(word);
  std::vector<std::string_view> parts;  // from the last to the first
  bool after_unknown = false;
  for (std::size_t end = word.size(); end > 0;) {
    const auto start = static_cast<std::size_t>(best[end].start);
    if (after_unknown && best[end].unknown) {  // neighbours without a piece are one
      parts.back() = word.substr(start, parts.back().size() + end - start);
    } else {
      parts.push_back(word.substr(start, end - start));
    }
    after_unknown = best[end].unknown;
    end = start;
  }
  for (std::size_t n = parts.size(); n-- > 0;) add_piece(parts[n], out);
}

void Unigram::add_piece(std::string_view piece, Ids& out) const {
  if (const auto it = ids_.find(std::string(piece)); it != ids_.end()) {
    out.push_back(it->second);
    return;
  }
  const auto has_piece = [this](char c) { return bytes_[static_cast<unsigned char>(c)] >= 0; };
  if (bytes_.empty() || !std::all_of(piece.begin(), piece.end(), has_piece)) {
    out.push_back(special(Special::unknown));
    return;
  }
  for (const char c : piece) out.push_back(bytes_[static_cast<unsigned char>(c)]);
}

std::vector<std::int32_t> Unigram::pieces_of(std::string_view words, Before before) const {
  Ids out;
  for (const AddedTokens::Part& part :
       added_.parts(with_space(words, before == Before::space, added_))) {
    if (part.id >= 0) {
      out.push_back(part.id);
      continue;
    }
    for (const std::string& word : spaces_.words_of(part.text, part.beginning)) add_word(word, out);
  }
  return out;
}

std::string Unigram::spelled(std::int64_t id) const {
  const auto it = std::find(bytes_.begin(), bytes_.end(), static_cast<std::int32_t>(id));
  if (it != bytes_.end()) return {static_cast<char>(it - bytes_.begin())};
  const std::string* added = added_.spelling(static_cast<std::int32_t>(id));
  return added != nullptr ? *added : spaces_.read_back(known_piece(id));
}

// The space before the first word belongs to no word.
std::string Unigram::words_of(const std::vector<std::int64_t>& ids) const {
  std::string out;
  for (const std::int64_t id : ids) {
    known_piece(id);
    if (id != special(Special::pad)) out += spelled(id);
  }
  if (out.starts_with(' ')) out.erase(0, 1);
  return readable(out);
}

const Register<Tokenizer> here{
    "Unigram", "SentencePiece's unigram pieces, as of T5 and XLM-R (Kudo 2018)",
    [](std::vector<std::string> pieces, const std::string& json) {
      return reading_settings([&] {
        return std::make_unique<Unigram>(std::move(pieces),
                                         tokenizer_settings(json, "tokenizer.json"));
      });
    }};

}  // namespace
}  // namespace metaloom
