// The pieces of a tokenizer as a file lists them, and whether they are all that a model's rows
// need.
#pragma once

#include <string>
#include <vector>

#include "models/framing.h"

namespace metaloom {

/// One piece a line, by id.
std::vector<std::string> lines_of(const std::string& text);

/// Throws Error{data} where a role that the backbone frames its rows with has no piece.
void check_roles(const Framing& framing, const Tokenizer& tokenizer, const std::string& where);

}  // namespace metaloom
