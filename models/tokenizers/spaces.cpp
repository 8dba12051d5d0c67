#include "models/tokenizers/spaces.h"

#include "models/tokenizers/tokenizer_json.h"
#include "models/tokenizers/unicode.h"

namespace metaloom {

Spaces::Spaces(const Json& settings) {
  if (!settings.is_null()) add(settings);
}

void Spaces::add(const Json& settings) {
  const std::string type = settings.is_object() ? settings.value("type", "") : settings.dump();
  if (type == "Sequence") {
    for (const Json& step : settings.at("pretokenizers")) add(step);
  } else if (type == "WhitespaceSplit") {
    steps_.push_back({true, "", Prepends::never, false});
  } else if (type == "Metaspace") {
    // Files of the first years say it with a yes or a no.
    std::string scheme = settings.value("prepend_scheme", "always");
    if (settings.value("add_prefix_space", Json()) == false) scheme = "never";
    Prepends prepends = Prepends::always;
    if (scheme != "always") prepends = scheme == "first" ? Prepends::first : Prepends::never;
    const auto letter = settings.at("replacement").get<std::string>();
    if (letter.empty()) refuse_setting("pre_tokenizer", "a space has no letter");
    steps_.push_back({false, letter, prepends, settings.value("split", true)});
  } else {
    refuse_setting("pre_tokenizer",
                   "it cuts words by " + type + ", known are Metaspace, WhitespaceSplit");
  }
}

void Spaces::cut_at_white_space(const Word& word, std::vector<Word>& out) {
  bool first = true;
  for (std::string& part : words_between_spaces(word.text, /*signs_apart=*/false)) {
    const bool beginning = word.beginning && first && word.text.starts_with(part);
    out.push_back({std::move(part), beginning});
    first = false;
  }
}

void Spaces::keep_spaces(const Step& step, Word word, std::vector<Word>& out) {
  std::string text = replaced(word.text, " ", step.letter);
  const bool prepends =
      step.prepends == Prepends::always || (step.prepends == Prepends::first && word.beginning);
  if (prepends && !text.starts_with(step.letter)) text.insert(0, step.letter);
  std::size_t start = 0;
  std::size_t from = text.starts_with(step.letter) ? step.letter.size() : 0;
  for (std::size_t next; step.splits && (next = text.find(step.letter, from)) != text.npos;) {
    out.push_back({text.substr(start, next - start), word.beginning && start == 0});
    start = next;
    from = next + step.letter.size();
  }
  out.push_back({text.substr(start), word.beginning && start == 0});
}

std::vector<std::string> Spaces::words_of(std::string_view text, bool beginning) const {
  std::vector<Word> words{{std::string(text), beginning}};
  for (const Step& step : steps_) {
    std::vector<Word> cut;
    for (Word& word : words) {
      if (step.splits_only) {
        cut_at_white_space(word, cut);
      } else {
        keep_spaces(step, std::move(word), cut);
      }
    }
    words = std::move(cut);
  }
  std::vector<std::string> out;
  for (Word& word : words) out.push_back(std::move(word.text));
  return out;
}

std::string Spaces::read_back(std::string_view piece) const {
  std::string out(piece);
  for (const Step& step : steps_) {
    if (!step.splits_only) out = replaced(out, step.letter, " ");
  }
  return out;
}

}  // namespace metaloom
