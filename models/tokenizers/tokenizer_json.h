// What a tokenizer.json says besides its pieces. Their table (`vocab`, by far the most of it) is
// not built: pieces come by id from the archive, and JSON objects of 30,000 names take a second.
#pragma once

#include <string>

#include "core/json.h"

namespace metaloom {

/// The file without its tables of pieces to ids. Throws Error{data} naming `where`.
Json tokenizer_settings(const std::string& json, const std::string& where);

}  // namespace metaloom
