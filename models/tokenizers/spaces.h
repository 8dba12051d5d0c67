// How a tokenizer of SentencePiece's kind cuts at spaces ("pre_tokenizer" of tokenizer.json): it
// writes a space as a letter ("Metaspace"), which words keep at their front.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace metaloom {

class Spaces {
 public:
  /// `settings`: "Metaspace", "WhitespaceSplit", or a "Sequence" of these. Throws Error{data} on
  /// others.
  explicit Spaces(const Json& settings);

  /// `beginning`: the text begins with the first character of the whole.
  std::vector<std::string> words_of(std::string_view text, bool beginning) const;
  /// The piece with spaces as spaces.
  std::string read_back(std::string_view piece) const;

 private:
  enum class Prepends { never, first, always };
  struct Step {
    bool splits_only;    // at white space, which goes; else as said below
    std::string letter;  // of a space
    Prepends prepends;
    bool splits;
  };
  struct Word {
    std::string text;
    bool beginning;
  };

  void add(const Json& settings);
  static void cut_at_white_space(const Word& word, std::vector<Word>& out);
  static void keep_spaces(const Step& step, Word word, std::vector<Word>& out);

  std::vector<Step> steps_;
};

}  // namespace metaloom
