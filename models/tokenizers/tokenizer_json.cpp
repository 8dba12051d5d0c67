#include "models/tokenizers/tokenizer_json.h"

namespace metaloom {

Json tokenizer_settings(const std::string& json, const std::string& where) {
  bool table_follows = false;
  return parse_json(json, where, [&](int, Json::parse_event_t event, const Json& parsed) {
    const bool is_table = event == Json::parse_event_t::object_start && table_follows;
    table_follows = event == Json::parse_event_t::key && parsed == "vocab";
    return !is_table;
  });
}

}  // namespace metaloom
