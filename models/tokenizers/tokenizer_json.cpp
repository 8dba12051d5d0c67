#include "models/tokenizers/tokenizer_json.h"

#include <initializer_list>

#include "core/error.h"

namespace metaloom {
namespace {

/// The first of these that the file lists as a special piece; empty: none.
std::string first_listed(const Json& settings, std::initializer_list<const char*> spellings) {
  for (const char* spelling : spellings) {
    for (const Json& token : settings.value("added_tokens", Json::array())) {
      if (token.value("special", false) && token.value("content", "") == spelling) return spelling;
    }
  }
  return {};
}

/// What stands before and after one text.
void read_frame(const Json& processor, Tokenizer::Spelling& out) {
  if (!processor.is_object()) return;
  const std::string type = processor.value("type", "");
  if (type == "Sequence") {
    for (const Json& one : processor.value("processors", Json::array())) read_frame(one, out);
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    out.begin = processor.at("cls").at(0).get<std::string>();
    out.end = processor.at("sep").at(0).get<std::string>();
  } else if (type == "TemplateProcessing") {
    bool after_text = false;
    for (const Json& one : processor.value("single", Json::array())) {
      if (!one.contains("SpecialToken")) {
        after_text = true;
        continue;
      }
      const std::string name = one.at("SpecialToken").at("id").get<std::string>();
      const Json& tokens = processor.at("special_tokens").at(name).at("tokens");
      std::string& role = after_text ? out.end : out.begin;
      if (role.empty()) role = tokens.at(0).get<std::string>();
    }
  }
}

/// The piece that the model itself gives to what has none; empty: none.
std::string unknown_of(const Json& model) {
  const Json piece = model.value("unk_token", Json());
  if (piece.is_string()) return piece.get<std::string>();
  const Json id = model.value("unk_id", Json());
  if (!id.is_number_integer()) return {};
  return model.at("vocab").at(id.get<std::size_t>()).at(0).get<std::string>();
}

}  // namespace

Json tokenizer_settings(const std::string& json, const std::string& where) {
  bool table_follows = false;
  return parse_json(json, where, [&](int, Json::parse_event_t event, const Json& parsed) {
    const bool is_table = event == Json::parse_event_t::object_start && table_follows;
    table_follows = event == Json::parse_event_t::key && parsed == "vocab";
    return !is_table;
  });
}

Tokenizer::Spelling roles_of(const Json& settings) {
  Tokenizer::Spelling out;
  read_frame(settings.value("post_processor", Json()), out);
  const auto otherwise = [&settings](std::string& role,
                                     std::initializer_list<const char*> spellings) {
    if (role.empty()) role = first_listed(settings, spellings);
  };
  otherwise(out.begin, {"<s>", "[CLS]", "<bos>", "<|begin_of_text|>", "<|startoftext|>"});
  otherwise(out.end, {"</s>", "[SEP]", "<eos>", "<|end_of_text|>", "<|endoftext|>"});
  otherwise(out.mask, {"<mask>", "[MASK]"});
  const Json padding = settings.value("padding", Json());
  if (padding.is_object()) out.pad = padding.value("pad_token", "");
  otherwise(out.pad, {"<pad>", "[PAD]", "<|padding|>"});
  out.unknown = unknown_of(settings.at("model"));
  otherwise(out.unknown, {"<unk>", "[UNK]"});
  return out;
}

void refuse_setting(const std::string& key, const std::string& what) {
  throw Error(Fault::data, "this tokenizer cannot run here: " + what, "tokenizer.json, " + key,
              "Take a model whose tokenizer is of the kind of BERT's, GPT-2's, RoBERTa's or T5's");
}

}  // namespace metaloom
