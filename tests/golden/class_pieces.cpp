// golden_class_pieces CASES.json OUT.json: what the program's rule makes of label words, for
// tests/golden/class_pieces_test.py to compare with plain Python. CASES: a list of label_words;
// OUT: for each the pieces of every class, or the error as a text.
#include "methods/cloze/class_pieces.h"

#include <cstdio>

#include "core/error.h"
#include "core/files/files.h"
#include "core/json.h"

namespace metaloom {
namespace {

Json pieces_of(const Json& words) {
  DatasetInfo dataset;
  dataset.label_words = words.get<std::vector<std::vector<std::vector<std::int32_t>>>>();
  for (std::size_t n = 0; n < dataset.label_words.size(); ++n)
    dataset.labels.push_back(std::to_string(n));
  try {
    const ClassPieces pieces({&dataset});
    Json out = Json::array();
    for (std::size_t n = 0; n < dataset.labels.size(); ++n)
      out.push_back(pieces.of(dataset, static_cast<std::int64_t>(n)));
    return out;
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace
}  // namespace metaloom

int main(int count, char** words) {
  using namespace metaloom;
  if (count != 3) return 2;
  Json out = Json::array();
  for (const Json& one : parse_json(read_text(words[1]), words[1])) out.push_back(pieces_of(one));
  replace_file(words[2], out.dump());
  return 0;
}
