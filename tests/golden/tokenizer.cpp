// golden_tokenizer TOKENIZER.json CASES.json OUT.json: the pieces that the program gives to texts,
// for tests/golden/tokenizer_test.py to compare with Hugging Face's. CASES: {"pieces": [by id],
// "texts": [...], "before": "nothing" or "space"}; OUT: for each text its ids, or what is said
// against it.
#include "models/tokenizers/tokenizer.h"

#include "core/error.h"
#include "core/files/files.h"
#include "core/json.h"

int main(int count, char** words) {
  using namespace metaloom;
  if (count != 4) return 2;
  const Json cases = parse_json(read_text(words[2]), words[2]);
  const auto tokenizer =
      tokenizer_of(cases["pieces"].get<std::vector<std::string>>(), read_text(words[1]), words[1]);
  const auto before = cases.value("before", "nothing") == "space" ? Tokenizer::Before::space
                                                                  : Tokenizer::Before::nothing;
  Json out = Json::array();
  for (const Json& text : cases["texts"]) {
    try {
      out.push_back(tokenizer->pieces_of(text.get<std::string>(), before));
    } catch (const Error& error) {
      out.push_back(error.what());
    }
  }
  replace_file(words[3], out.dump());
  return 0;
}
