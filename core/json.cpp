#include "core/json.h"

#include "core/error.h"

namespace metaloom {

Json parse_json(std::string_view text, const std::string& where,
                const Json::parser_callback_t& keep) {
  try {
    return Json::parse(text.begin(), text.end(), keep);
  } catch (const Json::parse_error& error) {
    throw Error(Fault::data, "not valid JSON at byte " + std::to_string(error.byte), where,
                "The file is damaged or was edited by hand: make it again.");
  } catch (const Json::exception& error) {  // such as a number beyond every double: 1e999
    throw Error(Fault::data, std::string("not usable JSON: ") + error.what(), where,
                "The file is damaged or was edited by hand: make it again.");
  }
}

}  // namespace metaloom
