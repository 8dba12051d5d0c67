#include <sstream>

#include "core/config/content.h"
#include "core/error.h"
#include "core/files/files.h"

namespace metaloom {

namespace {

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts;
  std::string part;
  std::istringstream in(path);
  while (std::getline(in, part, '.')) parts.push_back(part);
  if (path.empty() || path.back() == '.') parts.emplace_back();
  for (const auto& key : parts) {
    if (key.empty()) {
      throw Error(Fault::usage, "\"" + path + "\" is not a key", kCommandLine,
                  "Write keys as section.key=value.");
    }
  }
  return parts;
}

// A key that no dotted path can name would be read by nobody and refused by nobody.
void check_key(std::string_view key, const std::string& where) {
  if (!key.empty() && key.find('.') == std::string_view::npos) return;
  throw Error(Fault::usage, "\"" + std::string(key) + "\" cannot be a key", where,
              "Keys are not empty and have no dots in them.");
}

void check_keys(const toml::table& table, const std::string& where) {
  for (const auto& [key, node] : table) {
    check_key(key.str(), where);
    if (node.is_table()) check_keys(*node.as_table(), where);
  }
}

}  // namespace

std::string joined_path(const std::string& prefix, std::string_view key) {
  return prefix.empty() ? std::string(key) : prefix + '.' + std::string(key);
}

const toml::node* find_node(const toml::table& root, const std::string& path) {
  if (path.empty()) return &root;
  const toml::node* node = &root;
  for (const auto& key : split(path)) {
    if (!node->is_table()) return nullptr;
    node = node->as_table()->get(key);
    if (node == nullptr) return nullptr;
  }
  return node;
}

std::pair<toml::table*, std::string> holder_of(toml::table& root, const std::string& path) {
  auto parts = split(path);
  toml::table* table = &root;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    toml::node* node = table->get(parts[i]);
    if (node == nullptr) node = &table->insert(parts[i], toml::table{}).first->second;
    if (!node->is_table()) {
      throw Error(Fault::usage,
                  "\"" + parts[i] + "\" is a value and has no key \"" + parts[i + 1] + '"', path,
                  "Leave one of the two out.");
    }
    table = node->as_table();
  }
  return {table, parts.back()};
}

namespace {

/// What Windows' editors put around a text: a byte-order mark says nothing about TOML, UTF-16 is
/// none.
std::string_view without_mark(std::string_view text, const std::string& origin) {
  if (text.starts_with("\xef\xbb\xbf")) return text.substr(3);
  const bool utf16 = text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff") ||
                     text.substr(0, 64).find('\0') != std::string_view::npos;
  if (!utf16) return text;
  throw Error(Fault::usage, "the file is UTF-16, or no text", origin,
              "Save it as UTF-8: iconv -f UTF-16 -t UTF-8 OLD > NEW.");
}

}  // namespace

Table Table::parse(std::string_view toml, const std::string& origin) {
  toml = without_mark(toml, origin);
  Table out;
  out.content_->origin = origin;
  try {
    out.content_->table = toml::parse(toml, origin);
  } catch (const toml::parse_error& error) {
    const auto line = std::to_string(error.source().begin.line);
    throw Error(Fault::usage, "not valid TOML: " + std::string(error.description()),
                origin + ':' + line, "Texts stand in quotes, sections in [brackets].");
  }
  auto& sources = out.content_->sources;
  const auto note = [&](const auto& self, const toml::table& table, const std::string& at) -> void {
    for (const auto& [key, node] : table) {
      const std::string path = joined_path(at, key.str());
      const std::string where = origin + ':' + std::to_string(key.source().begin.line);
      check_key(key.str(), where);
      sources[path].where = where;
      if (node.is_table()) self(self, *node.as_table(), path);
    }
  };
  note(note, out.content_->table, "");
  return out;
}

Table Table::load(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) {
    throw Error(Fault::usage, "there is no such configuration file", file.string(),
                "Name a TOML file, as in configs/quickstart.toml.");
  }
  return parse(read_text(file), file.string());
}

void Table::assign(const std::string& assignment) {
  const auto equals = assignment.find('=');
  if (equals == std::string::npos) {
    throw Error(Fault::usage, "\"" + assignment + "\" is not an assignment", kCommandLine,
                "Write key=value, as in steps=100.");
  }
  const std::string path = assignment.substr(0, equals), typed = assignment.substr(equals + 1);
  for (auto dot = path.find('.'); dot != std::string::npos; dot = path.find('.', dot + 1)) {
    const std::string section = path.substr(0, dot);
    if (!contains(section)) content_->sources[section].where = kCommandLine;
  }
  auto [table, key] = holder_of(content_->table, path);
  toml::table parsed;
  try {
    parsed = toml::parse("x = " + typed);
  } catch (const toml::parse_error&) {  // a bare word
  }
  toml::node* value = parsed.size() == 1 ? parsed.get("x") : nullptr;
  if (value != nullptr && value->is_table()) check_keys(*value->as_table(), kCommandLine);
  const toml::node* present = table->get(key);
  if (present != nullptr && present->is_table() && (value == nullptr || !value->is_table())) {
    throw Error(Fault::usage, "\"" + path + "\" is a section", kCommandLine,
                "Set one of its keys, as in " + path + ".key=value.");
  }
  if (value == nullptr || value->is_date() || value->is_time() || value->is_date_time()) {
    set(path, typed);
  } else {
    erase(path);
    holder_of(content_->table, path).first->insert_or_assign(key, std::move(*value));
  }
  content_->sources[path] = {kCommandLine, typed};
}

}  // namespace metaloom
