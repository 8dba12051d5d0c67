// What a tokenizer does to a text before it cuts it ("normalizer" of tokenizer.json), as the
// library `tokenizers` does it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace metaloom {

class Normalizer {
 public:
  /// A step; it tells through `beginning` when it takes the first character away.
  using Step = std::function<std::string(std::string text, bool& beginning)>;

  /// `settings`: null, a step, or a "Sequence" of steps. Throws Error{data} on a step that is not
  /// known.
  explicit Normalizer(const Json& settings);

  /// `beginning`: becomes false where the text no longer begins with its first character.
  std::string applied(std::string_view text, bool& beginning) const;
  /// Whether it puts a space before every text, also before one that begins with a space.
  bool begins_with_space() const { return begins_with_space_; }

 private:
  void add(const Json& settings);

  std::vector<Step> steps_;
  bool begins_with_space_ = false;
};

}  // namespace metaloom
