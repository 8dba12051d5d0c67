// golden_tokenizer TOKENIZER.json CASES.json OUT.json: the pieces that the program gives to texts,
// for tests/golden/tokenizer_test.py to compare with Hugging Face's. CASES: {"pieces": [by id],
// "texts": [...]}; OUT: for each text its ids.
#include "models/tokenizers/tokenizer.h"

#include "core/files/files.h"
#include "core/json.h"

int main(int count, char** words) {
  using namespace metaloom;
  if (count != 4) return 2;
  const Json cases = parse_json(read_text(words[2]), words[2]);
  const auto tokenizer =
      tokenizer_of(cases["pieces"].get<std::vector<std::string>>(), read_text(words[1]), words[1]);
  Json out = Json::array();
  for (const Json& text : cases["texts"]) {
    out.push_back(tokenizer->pieces_of(text.get<std::string>(), Tokenizer::Before::nothing));
  }
  replace_file(words[3], out.dump());
  return 0;
}
