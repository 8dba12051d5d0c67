#include "models/tokenizers/bpe_words.h"

#include <algorithm>

#include "models/tokenizers/byte_level.h"
#include "models/tokenizers/tokenizer_json.h"
#include "models/tokenizers/unicode.h"

namespace metaloom {
namespace {

constexpr std::string_view kSpace = "▁";

std::string type_of(const Json& step) {
  return step.is_object() ? step.value("type", "") : step.dump();
}

std::vector<Json> steps_of(const Json& settings) {
  if (settings.is_null()) return {};
  if (type_of(settings) != "Sequence") return {settings};
  return settings.at("pretokenizers").get<std::vector<Json>>();
}

bool has_bytes(const Json& settings) {
  const std::vector<Json> steps = steps_of(settings);
  return std::any_of(steps.begin(), steps.end(),
                     [](const Json& step) { return type_of(step) == "ByteLevel"; });
}

}  // namespace

BpeWords::BpeWords(const Json& settings)
    : of_bytes_(has_bytes(settings)), spaces_(of_bytes_ ? Json() : settings) {
  if (!of_bytes_) return;
  bool done = false;
  for (const Json& step : steps_of(settings)) {
    const std::string type = type_of(step);
    if (done || (type != "ByteLevel" && type != "Split")) {
      refuse_setting("pre_tokenizer",
                     "its BPE cuts words by " + type + ", known are Split and then ByteLevel");
    }
    done = type == "ByteLevel";
    if (done) {
      read_bytes(step);
    } else {
      read_pattern(step);
    }
  }
}

void BpeWords::read_bytes(const Json& step) {
  begins_with_space_ = step.value("add_prefix_space", true);
  if (!step.value("use_regex", true)) return;
  if (pattern_) refuse_setting("pre_tokenizer", "it cuts words by two patterns");
  pattern_ = WordPattern::gpt2;
}

void BpeWords::read_pattern(const Json& step) {
  const std::string regex = step.at("pattern").value("Regex", "");
  const bool keeps_all = step.value("behavior", "") == "Isolated" && !step.value("invert", false);
  if (pattern_ || !keeps_all || !pattern_of(regex)) {
    refuse_setting("pre_tokenizer", "its BPE cuts words by " + step.at("pattern").dump() +
                                        ", known are the patterns of GPT-2, Llama 3 and Qwen2");
  }
  pattern_ = pattern_of(regex);
  cuts_first_ = true;
}

std::vector<std::string> BpeWords::words_of(std::string_view text, bool beginning) const {
  if (!of_bytes_) return spaces_.words_of(text, beginning);
  std::vector<std::string> out;
  const auto write = [&out](std::string_view word) {
    std::string& letters = out.emplace_back();
    for (const char c : word) letters += letter_of(static_cast<unsigned char>(c));
  };
  const auto with_space = [this](std::string_view word) {
    const bool needs = begins_with_space_ && !word.starts_with(' ');
    return (needs ? " " : "") + std::string(word);
  };
  if (cuts_first_) {
    for (const std::string_view word : words_by(*pattern_, text)) write(with_space(word));
    return out;
  }
  const std::string whole = with_space(text);
  if (!pattern_) {
    write(whole);
    return out;
  }
  for (const std::string_view word : words_by(*pattern_, whole)) write(word);
  return out;
}

std::string BpeWords::read_back(std::string_view piece) const {
  return of_bytes_ ? bytes_of(piece) : replaced(piece, kSpace, " ");
}

}  // namespace metaloom
