// What a tokenizer.json says besides its pieces. Their table (`vocab`, by far the most of it) is
// not built: pieces come by id from the archive, and JSON objects of 30,000 names take a second.
// Lists are: the merges of BPE, and Unigram's pieces with their scores.
#pragma once

#include <string>

#include "core/json.h"
#include "models/tokenizers/tokenizer.h"

namespace metaloom {

/// The file without its tables of pieces to ids. Throws Error{data} naming `where`.
Json tokenizer_settings(const std::string& json, const std::string& where);

/// Who has which role, by the post-processor, the model's unknown piece, and how the added special
/// pieces are spelled.
Tokenizer::Spelling roles_of(const Json& settings);

/// Throws Error{data}: `key` of tokenizer.json says `what`, which nothing here does.
[[noreturn]] void refuse_setting(const std::string& key, const std::string& what);

/// Runs `read`, which reads settings; throws Error{data} where one is not of its type or is
/// missing.
template <class Read>
auto reading_settings(const Read& read) {
  try {
    return read();
  } catch (const Json::exception& error) {
    refuse_setting("a value", error.what());
  }
}

}  // namespace metaloom
