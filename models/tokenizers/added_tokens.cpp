#include "models/tokenizers/added_tokens.h"

#include <algorithm>

#include "models/tokenizers/unicode.h"

namespace metaloom {
namespace {

/// Where the white space that ends `text` begins.
std::size_t trailing_space(std::string_view text) {
  std::size_t start = text.size();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t before = at;
    const bool space = is(CharacterClass::space, next_character(text, at));
    if (!space) start = text.size();
    if (space && start == text.size()) start = before;
  }
  return start;
}

/// Where the white space that begins `text` ends.
std::size_t leading_space(std::string_view text) {
  std::size_t end = 0;
  for (std::size_t at = 0; at < text.size() && is(CharacterClass::space, next_character(text, at));)
    end = at;
  return end;
}

bool is_of_word(char32_t c) {
  return c == '_' || is(CharacterClass::letter, c) || is(CharacterClass::number, c) ||
         is(CharacterClass::accent, c);
}

bool begins_in_word(std::string_view text, std::size_t at) {
  return at < text.size() && is_of_word(next_character(text, at));
}

bool ends_in_word(std::string_view text) {
  std::size_t start = text.size();
  while (start > 0 && (static_cast<unsigned char>(text[--start]) & 0xC0) == 0x80) continue;
  return begins_in_word(text, start);
}

}  // namespace

AddedTokens::AddedTokens(const Json& settings) : normalizer_(settings.value("normalizer", Json())) {
  for (const Json& one : settings.value("added_tokens", Json::array())) {
    Token token{.id = one.at("id").get<std::int32_t>(),
                .content = one.at("content").get<std::string>(),
                .strips_left = one.value("lstrip", false),
                .strips_right = one.value("rstrip", false),
                .special = one.value("special", false),
                .whole_words = one.value("single_word", false)};
    if (token.content.empty()) continue;
    if (one.value("normalized", !token.special)) {
      add(as_found(token.content), tokens_.size(), normalised_);
    } else {
      add(token.content, tokens_.size(), written_);
    }
    tokens_.push_back(std::move(token));
  }
}

std::string AddedTokens::as_found(const std::string& content) const {
  bool beginning = true;
  return normalizer_.applied(content, beginning);
}

void AddedTokens::add(std::string text, std::size_t token, Index& index) {
  if (text.empty()) return;
  auto& same = index[static_cast<unsigned char>(text.front())];
  const auto place = std::find_if(same.begin(), same.end(), [&text](const Spelled& other) {
    return other.text.size() < text.size();
  });
  same.insert(place, {std::move(text), token});
}

const AddedTokens::Spelled* AddedTokens::longest_at(std::string_view text, std::size_t at,
                                                    const Index& index) {
  for (const Spelled& candidate : index[static_cast<unsigned char>(text[at])]) {
    if (text.substr(at).starts_with(candidate.text)) return &candidate;
  }
  return nullptr;
}

const std::string* AddedTokens::spelling(std::int32_t id) const {
  const auto it = std::find_if(tokens_.begin(), tokens_.end(),
                               [id](const Token& token) { return token.id == id; });
  return it == tokens_.end() ? nullptr : &it->content;
}

std::vector<AddedTokens::Part> AddedTokens::split(std::string_view text, const Index& index,
                                                  bool beginning) const {
  std::vector<Part> out;
  std::size_t done = 0;
  const auto text_until = [&](std::size_t end) {
    if (end > done)
      out.push_back({-1, std::string(text.substr(done, end - done)), beginning && done == 0});
  };
  for (std::size_t at = 0; at < text.size();) {
    const Spelled* found = longest_at(text, at, index);
    if (found == nullptr) {
      ++at;
      continue;
    }
    const Token& token = tokens_[found->token];
    std::size_t start = at, end = at + found->text.size();
    at = end;
    if (token.whole_words && (ends_in_word(text.substr(0, start)) || begins_in_word(text, end)))
      continue;
    if (token.strips_left) start = std::max(trailing_space(text.substr(0, start)), done);
    if (token.strips_right) end += leading_space(text.substr(end));
    text_until(start);
    out.push_back({token.id, {}, false});
    done = end;
  }
  text_until(text.size());
  return out;
}

std::vector<AddedTokens::Part> AddedTokens::parts(std::string_view text) const {
  std::vector<Part> out;
  for (Part& part : split(text, written_, true)) {
    if (part.id >= 0) {
      out.push_back(std::move(part));
      continue;
    }
    const std::string normalised = normalizer_.applied(part.text, part.beginning);
    for (Part& inner : split(normalised, normalised_, part.beginning))
      out.push_back(std::move(inner));
  }
  return out;
}

bool AddedTokens::lacks_space(std::string_view words) const {
  if (words.empty() || words.front() == ' ' || normalizer_.begins_with_space()) return false;
  return std::none_of(tokens_.begin(), tokens_.end(), [words](const Token& token) {
    return token.special && words.starts_with(token.content);
  });
}

std::string with_space(std::string_view words, bool space, const AddedTokens& tokens) {
  return (space && tokens.lacks_space(words) ? " " : "") + std::string(words);
}

}  // namespace metaloom
