#include "models/tokenizers/normalizer.h"

#include <algorithm>
#include <map>
#include <memory>

#include "models/tokenizers/bert_text.h"
#include "models/tokenizers/charsmap.h"
#include "models/tokenizers/normal_forms.h"
#include "models/tokenizers/tokenizer_json.h"
#include "models/tokenizers/unicode.h"

namespace metaloom {
namespace {

using Step = Normalizer::Step;

const std::map<std::string, NormalForm> kForms{{"NFC", NormalForm::c},
                                               {"NFD", NormalForm::d},
                                               {"NFKC", NormalForm::kc},
                                               {"NFKD", NormalForm::kd}};

Step in_form(NormalForm form) {
  return [form](const std::string& text, bool&) { return normal_form(text, form); };
}

std::string lower(const std::string& text, bool&) {
  return lower_cased(text);
}

bool starts_with(CharacterClass kind, std::string_view text) {
  std::size_t at = 0;
  return !text.empty() && is(kind, next_character(text, at));
}

std::string without_accents(const std::string& text, bool& beginning) {
  beginning = beginning && !starts_with(CharacterClass::accent, text);
  return without(CharacterClass::accent, text);
}

/// BERT's own steps. Without a word on accents, they go where letters are lower-cased.
Step of_bert(const Json& settings) {
  const bool lower_case = settings.value("lowercase", true);
  const Json accents = settings.value("strip_accents", Json());
  return [cleans = settings.value("clean_text", true),
          parts = settings.value("handle_chinese_chars", true),
          strips = accents.is_null() ? lower_case : accents.get<bool>(),
          lower_case](std::string text, bool& beginning) {
    if (cleans) {
      beginning = beginning && !starts_with(CharacterClass::meaningless, text);
      text = cleaned(text);
    }
    if (parts) text = with_ideographs_apart(text);
    if (strips) {
      beginning = beginning && !starts_with(CharacterClass::mark, text);
      text = without_marks(text);
    }
    return lower_case ? lower_cased(text) : text;
  };
}

/// Runs of at least two characters that `counts`, and single ones that `alone` does.
Step replacing_runs(bool (*counts)(char32_t), bool (*alone)(char32_t), const std::string& to) {
  return [=](const std::string& text, bool& beginning) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t start = at;
      std::size_t end = at, length = 0;
      const char32_t first = next_character(text, at);
      for (std::size_t next = start; next < text.size() && counts(next_character(text, next));
           ++length)
        end = next;
      if (length >= 2 || alone(first)) {
        out += to;
        at = std::max(at, end);
        if (start == 0 && to.empty()) beginning = false;
      } else {
        out.append(text, start, at - start);
      }
    }
    return out;
  };
}

bool is_blank(char32_t c) {
  return c == ' ';
}

bool is_space(char32_t c) {
  return is(CharacterClass::space, c);
}

bool is_tab_or_line_end(char32_t c) {
  return c == '\n' || c == '\r' || c == '\t';
}

Step replacing(const Json& settings) {
  const Json pattern = settings.value("pattern", Json::object());
  const std::string to = settings.value("content", "");
  if (const std::string from = pattern.value("String", ""); !from.empty()) {
    return [from, to](const std::string& text, bool& beginning) {
      if (to.empty() && text.starts_with(from)) beginning = false;
      return replaced(text, from, to);
    };
  }
  const std::string regex = pattern.value("Regex", "");
  if (regex == " {2,}") {
    return replacing_runs(
        is_blank, [](char32_t) { return false; }, to);
  }
  if (regex == R"(\s{2,}|[\n\r\t])") return replacing_runs(is_space, is_tab_or_line_end, to);
  refuse_setting("normalizer", "it replaces " + pattern.dump());
}

Step stripping(const Json& settings) {
  return [left = settings.value("strip_left", true), right = settings.value("strip_right", true)](
             const std::string& text, bool& beginning) {
    std::size_t start = text.size(), end = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t before = at;
      if (is(CharacterClass::space, next_character(text, at))) continue;
      start = std::min(start, before);
      end = at;
    }
    if (!left) start = 0;
    if (!right) end = text.size();
    if (start > 0) beginning = false;
    return start < end ? text.substr(start, end - start) : std::string();
  };
}

/// Of "Neural machine translation": control characters go, unusual spaces become usual ones.
std::string nmt(const std::string& text, bool& beginning) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const bool first = at == 0;
    const char32_t c = next_character(text, at);
    const bool gone = (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) ||
                      c == 0x7F || c == 0x8F || c == 0x9F;
    const bool space = c == '\t' || c == '\n' || c == 0x0C || c == '\r' || c == 0x1680 ||
                       (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                       c == 0xFEFF || c == 0xFFFD;
    if (gone && first) beginning = false;
    if (!gone) append_character(space ? ' ' : c, out);
  }
  return out;
}

Step prepending(const Json& settings) {
  return [start = settings.value("prepend", "")](const std::string& text, bool&) {
    return text.empty() ? text : start + text;
  };
}

Step charsmap_of(const Json& settings) {
  const Json base64 = settings.value("precompiled_charsmap", Json());
  if (!base64.is_string()) return [](std::string text, bool&) { return text; };
  return [map = std::make_shared<const Charsmap>(base64.get<std::string>())](
             const std::string& text, bool&) { return map->applied(text); };
}

}  // namespace

Normalizer::Normalizer(const Json& settings) {
  if (!settings.is_null()) add(settings);
}

void Normalizer::add(const Json& settings) {
  const std::string type = settings.is_object() ? settings.value("type", "") : settings.dump();
  if (type == "Sequence") {
    for (const Json& step : settings.value("normalizers", Json::array())) add(step);
  } else if (type == "Precompiled") {
    steps_.push_back(charsmap_of(settings));
  } else if (type == "Replace") {
    steps_.push_back(replacing(settings));
  } else if (type == "Strip") {
    steps_.push_back(stripping(settings));
  } else if (type == "Nmt") {
    steps_.emplace_back(nmt);
  } else if (type == "Prepend") {
    steps_.push_back(prepending(settings));
    const std::string start = settings.value("prepend", "");
    begins_with_space_ = begins_with_space_ || start == " " || start == "▁";
  } else if (const auto form = kForms.find(type); form != kForms.end()) {
    steps_.push_back(in_form(form->second));
  } else if (type == "StripAccents") {
    steps_.emplace_back(without_accents);
  } else if (type == "Lowercase") {
    steps_.emplace_back(lower);
  } else if (type == "BertNormalizer") {
    steps_.push_back(of_bert(settings));
  } else {
    refuse_setting("normalizer", "there is no step " + type);
  }
}

std::string Normalizer::applied(std::string_view text, bool& beginning) const {
  std::string out(text);
  for (const Step& step : steps_) out = step(std::move(out), beginning);
  return out;
}

}  // namespace metaloom
