#include "models/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace metaloom {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::size_t start = 0;
  while (start < text.size()) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    out.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return out;
}

void check_roles(const Framing& framing, const Tokenizer& tokenizer, const std::string& where) {
  std::vector<Special> roles = framing.before;
  roles.insert(roles.end(), framing.between.begin(), framing.between.end());
  roles.insert(roles.end(), framing.after.begin(), framing.after.end());
  if (framing.answer == ReadAt::mask) roles.push_back(Special::mask);
  for (const Special role : roles) {
    if (tokenizer.special(role) >= 0) continue;
    throw Error(Fault::data,
                fmt::format("the tokenizer lacks the special piece ({}) that the backbone's rows "
                            "need",
                            words_of(role)[static_cast<std::size_t>(role)]),
                where, "Tokenizer and weights must be of the same model");
  }
}

}  // namespace metaloom
