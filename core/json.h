// JSON values (nlohmann), in the order in which they were set. The only file that includes the
// library; headers of ours should forward values as text where they can.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace metaloom {

using Json = nlohmann::ordered_json;

/// Parses `text`; throws Error{data} naming `where` instead of the library's exception. What `keep`
/// answers false to is not built: nlohmann's parser callback.
Json parse_json(std::string_view text, const std::string& where,
                const Json::parser_callback_t& keep = nullptr);

}  // namespace metaloom
