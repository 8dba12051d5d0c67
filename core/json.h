// JSON values (nlohmann), in the order in which they were set. The only file that includes the
// library; headers of ours should forward values as text where they can.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace metaloom {

using Json = nlohmann::ordered_json;

/// Parses `text`; throws Error{data} naming `where` instead of the library's exception.
Json parse_json(std::string_view text, const std::string& where);

}  // namespace metaloom
