#include "models/tokenizers/vocabulary.h"

#include <algorithm>

#include "core/error.h"

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

}  // namespace

Vocabulary::Vocabulary(std::vector<std::string> pieces, bool lower_case)
    : pieces_(std::move(pieces)), lower_case_(lower_case) {
  for (std::size_t id = 0; id < pieces_.size(); ++id) {
    const std::string& piece = pieces_[id];
    if (!ids_.emplace(piece, static_cast<std::int32_t>(id)).second) {
      throw Error(Fault::data, "the word piece \"" + piece + "\" stands twice",
                  "vocabulary, line " + std::to_string(id + 1), "Import the model again");
    }
    longest_ = std::max(longest_, piece.size());
  }
  const auto special = [this](const char* name) {
    const std::int32_t id = find(name);
    if (id < 0) {
      throw Error(Fault::data, std::string("there is no ") + name, "vocabulary",
                  "Import a model whose tokenizer is BERT's WordPiece");
    }
    return id;
  };
  pad_ = special("[PAD]");
  unknown_ = special("[UNK]");
  cls_ = special("[CLS]");
  sep_ = special("[SEP]");
  mask_ = special("[MASK]");
}

std::int32_t Vocabulary::find(std::string_view piece) const {
  const auto it = ids_.find(piece);
  return it == ids_.end() ? -1 : it->second;
}

void Vocabulary::add_word(std::string_view word, std::vector<std::int32_t>& out) const {
  const std::size_t before = out.size();
  std::string candidate;
  std::size_t start = 0;
  while (start < word.size()) {
    const std::string_view prefix = start == 0 ? "" : "##";
    std::size_t length = std::min(word.size() - start, longest_);
    std::int32_t id = -1;
    for (; length > 0; --length) {
      candidate.assign(prefix).append(word.substr(start, length));
      id = find(candidate);
      if (id >= 0) break;
    }
    if (id < 0 || word.size() > kLongestWord) {
      out.resize(before);
      out.push_back(unknown_);
      return;
    }
    out.push_back(id);
    start += length;
  }
}

void Vocabulary::add_token(std::string_view token, std::vector<std::int32_t>& out) const {
  std::string word;
  const auto flush = [&] {
    if (!word.empty()) add_word(word, out);
    word.clear();
  };
  for (std::size_t i = 0; i < token.size(); ++i) {
    const std::size_t close = token[i] == '[' ? token.find(']', i) : std::string_view::npos;
    const std::int32_t special =
        close == std::string_view::npos ? -1 : find(token.substr(i, close - i + 1));
    if (special >= 0) {
      flush();
      out.push_back(special);
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

std::vector<std::int32_t> Vocabulary::pieces_of(std::string_view words) const {
  std::vector<std::int32_t> out;
  std::size_t start = 0;
  while (start < words.size()) {
    const std::size_t end = std::min(words.find(' ', start), words.size());
    add_token(words.substr(start, end - start), out);
    start = end + 1;
  }
  return out;
}

std::string Vocabulary::words_of(const std::vector<std::int64_t>& ids) const {
  std::string out;
  for (const std::int64_t id : ids) {
    if (id == pad_) continue;
    if (id < 0 || id >= size()) {
      throw Error(Fault::internal,
                  "id " + std::to_string(id) + " in a vocabulary of " + std::to_string(size()));
    }
    const std::string& piece = pieces_[static_cast<std::size_t>(id)];
    if (piece.starts_with("##")) {
      out.append(piece, 2);
    } else {
      if (!out.empty()) out.push_back(' ');
      out.append(piece);
    }
  }
  return out;
}

}  // namespace metaloom
