// What table.cpp and parse.cpp share: the content of a Table and the way to its nodes. Included by
// these two only; with it comes toml++.
#pragma once

// Shortest text that reads back as the same number: 0.9, not 0.90000000000000002. (Off by default
// for compilers that did not have it in 2020.)
#define TOML_FLOAT_CHARCONV 1
#include <toml++/toml.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "core/config/table.h"

namespace metaloom {

// toml++ forgets where a node came from when it is copied, so that is kept beside the table.
struct Table::Content {
  struct Source {
    std::string where;
    std::optional<std::string> typed;  // the value as typed on the command line
  };
  toml::table table;
  std::map<std::string, Source> sources;  // by dotted path
  std::string origin = "the program";
};

/// "prefix.key", or the key alone where there is no prefix.
std::string joined_path(const std::string& prefix, std::string_view key);
/// The node at a dotted path, nullptr where there is none. Throws Error{usage} on an empty key.
const toml::node* find_node(const toml::table& root, const std::string& path);
/// The table that holds the last key of `path`, made where it is missing, and that key.
std::pair<toml::table*, std::string> holder_of(toml::table& root, const std::string& path);

}  // namespace metaloom
