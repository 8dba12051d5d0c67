// A tokenizer unlike BERT's, for the laws and for refusals: every letter is a piece, and so is the
// space before a word (as SentencePiece keeps it); of the special pieces it has only an end.
#include "core/registry.h"
#include "tests/models/tokenizer_example.h"

namespace metaloom::testing {
namespace {

class Letters final : public Tokenizer {
 public:
  explicit Letters(std::vector<std::string> pieces)
      : Tokenizer(std::move(pieces),
                  {.begin = "", .end = "</s>", .mask = "", .pad = "", .unknown = ""}) {}

  std::vector<std::int32_t> pieces_of(std::string_view words, Before before) const override {
    if (const std::int32_t whole = find(words); whole == special(Special::end)) return {whole};
    std::vector<std::int32_t> out;
    if (before == Before::space) out.push_back(find("_"));
    for (const char letter : words)
      out.push_back(find(letter == ' ' ? "_" : std::string(1, letter)));
    return out;
  }

  std::string words_of(const std::vector<std::int64_t>& ids) const override {
    std::string out;
    for (const std::int64_t id : ids) out += known_piece(id) == "_" ? " " : known_piece(id);
    return out;
  }
};

const Register<Tokenizer> here{"Letters", "for tests",
                               [](std::vector<std::string> pieces, const std::string&) {
                                 return std::make_unique<Letters>(std::move(pieces));
                               }};
const Register<TokenizerExample> example{
    "Letters", "", [] {
      return TokenizerExample{
          {"</s>", "_", "a", "b", "c"}, R"({"model": {"type": "Letters"}})", {"ab", "c", "cab"}};
    }};

}  // namespace
}  // namespace metaloom::testing
