#include "core/config/table.h"

#include <sstream>
#include <utility>

#include "core/config/content.h"
#include "core/error.h"

namespace metaloom {

namespace {

bool lies_below(const std::string& path, const std::string& prefix) {
  return path.size() > prefix.size() && path.starts_with(prefix) && path[prefix.size()] == '.';
}

// Puts a value of the program's own at `path`.
template <class Content, class Node>
void put(Content& content, const std::string& path, Node&& value) {
  const auto [table, key] = holder_of(content.table, path);
  table->insert_or_assign(key, std::forward<Node>(value));
  content.sources.erase(path);
}

template <class Item>
toml::array list_of(const std::vector<Item>& items) {
  toml::array list;
  for (const auto& item : items) list.push_back(item);
  return list;
}

std::string kind_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a section";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a text";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

}  // namespace

Table::Table() : content_(std::make_unique<Content>()) {}
Table::~Table() = default;
Table::Table(const Table& other) : content_(std::make_unique<Content>(*other.content_)) {}
Table::Table(Table&& other) noexcept = default;
Table& Table::operator=(Table other) {
  content_ = std::move(other.content_);
  return *this;
}

void Table::set(const std::string& path, const std::string& value) {
  put(*content_, path, value);
}
void Table::set(const std::string& path, bool value) {
  put(*content_, path, value);
}
void Table::set(const std::string& path, std::int64_t value) {
  put(*content_, path, value);
}
void Table::set(const std::string& path, double value) {
  put(*content_, path, value);
}

void Table::set(const std::string& path, const std::vector<std::string>& value) {
  put(*content_, path, list_of(value));
}

void Table::set(const std::string& path, const std::vector<std::int64_t>& value) {
  put(*content_, path, list_of(value));
}

void Table::set(const std::string& path, const Table& section) {
  erase(path);
  const auto [table, key] = holder_of(content_->table, path);
  table->insert_or_assign(key, section.content_->table);
  content_->sources[path].where = section.content_->origin;
  for (const auto& [below, source] : section.content_->sources) {
    content_->sources[joined_path(path, below)] = source;
  }
}

void Table::erase(const std::string& path) {
  if (!contains(path)) return;
  const auto [table, key] = holder_of(content_->table, path);
  table->erase(key);
  std::erase_if(content_->sources, [&](const auto& item) {
    return item.first == path || lies_below(item.first, path);
  });
}

bool Table::contains(const std::string& path) const {
  return find_node(content_->table, path) != nullptr;
}

bool Table::is_table(const std::string& path) const {
  const toml::node* node = find_node(content_->table, path);
  return node != nullptr && node->is_table();
}

Table Table::section(const std::string& path) const {
  Table out;
  out.content_->origin = origin(path);
  const toml::node* node = find_node(content_->table, path);
  if (node == nullptr) return out;
  if (!node->is_table()) {
    throw Error(Fault::usage, "\"" + path + "\" must be a section, but is " + kind_of(*node),
                origin(path), "Write [" + path + "] with its keys below.");
  }
  out.content_->table = *node->as_table();
  for (const auto& [name, source] : content_->sources) {
    if (path.empty() || lies_below(name, path)) {
      out.content_->sources[path.empty() ? name : name.substr(path.size() + 1)] = source;
    }
  }
  return out;
}

std::vector<std::string> Table::keys() const {
  std::vector<std::string> out;
  for (const auto& [key, node] : content_->table) out.emplace_back(key.str());
  return out;
}

std::string Table::text(const std::string& path, const std::string& otherwise) const {
  const auto found = value(path);
  if (!found) return otherwise;
  if (found->typed && !found->is_list && found->items.size() == 1) {
    const auto* text = std::get_if<std::string>(&found->items[0]);
    return text != nullptr ? *text : *found->typed;
  }
  if (found->is_list || found->items.size() != 1 ||
      !std::holds_alternative<std::string>(found->items[0])) {
    throw Error(Fault::usage, "\"" + path + "\" must be a text, but is " + found->kind,
                origin(path), "Write it in quotes.");
  }
  return std::get<std::string>(found->items[0]);
}

Table Table::only(const std::string& key) const {
  Table out(*this);
  for (const std::string& other : keys()) {
    if (other != key) out.erase(other);
  }
  return out;
}

Table Table::overlaid_with(const Table& over) const {
  Table out(*this);
  const auto lay = [&](const auto& self, const toml::table& top, const std::string& at) -> void {
    for (const auto& [key, node] : top) {
      const std::string path = joined_path(at, key.str());
      toml::table& below =
          at.empty() ? out.content_->table
                     : *const_cast<toml::node*>(find_node(out.content_->table, at))->as_table();
      const toml::node* present = below.get(key.str());
      if (node.is_table() && present != nullptr && present->is_table()) {
        self(self, *node.as_table(), path);
      } else {
        below.insert_or_assign(key.str(), node);
      }
    }
  };
  lay(lay, over.content_->table, "");
  for (const auto& [path, source] : over.content_->sources) out.content_->sources[path] = source;
  return out;
}

std::string Table::to_toml() const {
  auto flags = toml::toml_formatter::default_flags & ~toml::format_flags::indent_sub_tables;
  std::ostringstream out;
  out << toml::toml_formatter(content_->table, flags) << '\n';
  return out.str();
}

std::vector<std::string> Table::paths() const {
  std::vector<std::string> out;
  const auto walk = [&](const auto& self, const toml::table& table, const std::string& at) -> void {
    for (const auto& [key, node] : table) {
      const std::string path = joined_path(at, key.str());
      if (node.is_table()) {
        self(self, *node.as_table(), path);
      } else {
        out.push_back(path);
      }
    }
  };
  walk(walk, content_->table, "");
  return out;
}

std::string Table::shown(const std::string& path) const {
  const toml::node* node = find_node(content_->table, path);
  if (node == nullptr) return "";
  std::ostringstream out;
  node->visit([&](const auto& value) {
    if constexpr (toml::is_table<decltype(value)>) {
      out << toml::toml_formatter(value);
    } else {
      out << value;
    }
  });
  return out.str();
}

std::string Table::origin(const std::string& path) const {
  for (std::string at = path; !at.empty();) {
    const auto it = content_->sources.find(at);
    if (it != content_->sources.end()) return it->second.where;
    const auto dot = at.rfind('.');
    at = dot == std::string::npos ? "" : at.substr(0, dot);
  }
  return content_->origin;
}

std::optional<Table::Value> Table::value(const std::string& path) const {
  const toml::node* node = find_node(content_->table, path);
  if (node == nullptr) return std::nullopt;
  Value out;
  out.kind = kind_of(*node);
  out.is_list = node->is_array();
  const auto add = [&](const toml::node& item) {
    if (const auto* flag = item.as_boolean())
      out.items.emplace_back(flag->get());
    else if (const auto* whole = item.as_integer())
      out.items.emplace_back(whole->get());
    else if (const auto* number = item.as_floating_point())
      out.items.emplace_back(number->get());
    else if (const auto* text = item.as_string())
      out.items.emplace_back(text->get());
    else
      out.kind = "a list of something else";
  };
  if (out.is_list) {
    for (const auto& item : *node->as_array()) add(item);
  } else if (!node->is_table()) {
    add(*node);
    if (out.items.empty()) out.kind = kind_of(*node);
  }
  const auto source = content_->sources.find(path);
  if (source != content_->sources.end()) out.typed = source->second.typed;
  return out;
}

}  // namespace metaloom
