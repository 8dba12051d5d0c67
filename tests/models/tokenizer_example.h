// A small tokenizer of each kind, registered by that kind's own test: what the laws run over.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/registry.h"
#include "models/tokenizers/tokenizer.h"

namespace metaloom::testing {

struct TokenizerExample {
  static constexpr const char* kSeam = "tokenizer's example";
  using Factory = std::function<TokenizerExample()>;

  std::vector<std::string> pieces;
  std::string json;                // tokenizer.json, its "type" told
  std::vector<std::string> words;  // as they are read back; of one piece and of several

  std::unique_ptr<Tokenizer> made() const { return tokenizer_of(pieces, json, "example"); }
};

}  // namespace metaloom::testing
