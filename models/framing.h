// How a model wants its rows framed, told in roles: which special pieces stand around a text and
// between two, whether tokens have types, and where a row is read. A backbone declares it, its
// tokenizer has the pieces, methods/cloze/template.h builds the rows.
#pragma once

#include <vector>

#include "models/tokenizers/tokenizer.h"

namespace metaloom {

enum class ReadAt { first, last, mask };

struct Framing {
  std::vector<Special> before;   // a row's first pieces
  std::vector<Special> between;  // between a text and its pair; left out with the pair
  std::vector<Special> after;    // a row's last pieces
  bool types = false;            // tokens have types: 1 for what follows an `end`, else 0
  /// The position whose state stands for a whole row, where a head reads only one.
  ReadAt row = ReadAt::first;
  /// The position whose state answers a template: its mask, or the row's last piece, which
  /// foretells the next one.
  ReadAt answer = ReadAt::mask;
};

}  // namespace metaloom
