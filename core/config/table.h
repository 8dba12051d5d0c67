// Configuration: a TOML table with dotted overrides from the command line. Only core/config/ knows
// toml++.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace metaloom {

/// Where a setting that was typed comes from, in Table::origin and in messages.
inline constexpr const char* kCommandLine = "command line";

/// A value-semantic TOML table. Errors name the file and line a key came from, or the command
/// line. Keys are addressed by dotted paths; a key with a dot in it cannot be addressed.
class Table {
 public:
  Table();
  static Table parse(std::string_view toml, const std::string& origin);
  static Table load(const std::filesystem::path& file);
  ~Table();
  Table(const Table& other);
  Table(Table&& other) noexcept;
  Table& operator=(Table other);

  /// Applies "a.b=value". The value is TOML; a bare word that is no TOML is taken as a string,
  /// as is any scalar where the field wants a text. Throws Error{usage} without "=" or key.
  void assign(const std::string& assignment);
  void set(const std::string& path, const std::string& value);
  void set(const std::string& path, bool value);
  void set(const std::string& path, std::int64_t value);
  void set(const std::string& path, double value);
  void set(const std::string& path, const std::vector<std::string>& value);
  void set(const std::string& path, const std::vector<std::int64_t>& value);
  /// Puts `section` at `path`, replacing what is there.
  void set(const std::string& path, const Table& section);
  void erase(const std::string& path);

  bool contains(const std::string& path) const;
  bool is_table(const std::string& path) const;
  /// The sub-table at `path`; empty where there is none. Throws where it is no table.
  Table section(const std::string& path) const;
  /// Direct keys, in alphabetical order.
  std::vector<std::string> keys() const;
  /// The text at `path`, or `otherwise` where there is none; throws where it is no text.
  std::string text(const std::string& path, const std::string& otherwise = "") const;

  /// A table with this one of the direct keys alone, where it came from included.
  Table only(const std::string& key) const;
  /// This table with `over`'s keys laid over it, table by table.
  Table overlaid_with(const Table& over) const;
  std::string to_toml() const;
  /// The dotted paths of all values, those of sections included, in alphabetical order.
  std::vector<std::string> paths() const;
  /// The value at `path` as TOML writes it; empty where there is none.
  std::string shown(const std::string& path) const;
  /// "configs/x.toml:12" or "command line" for error messages about `path`.
  std::string origin(const std::string& path = "") const;

 private:
  friend class FieldReader;
  using Scalar = std::variant<bool, std::int64_t, double, std::string>;
  /// What FieldReader sees of a key: a scalar (one item), a list of scalars, or neither.
  struct Value {
    std::string kind;           // "a text", "a list", "a section": for messages
    std::vector<Scalar> items;  // in order
    bool is_list = false;
    std::optional<std::string> typed;  // as written on the command line
  };
  std::optional<Value> value(const std::string& path) const;

  struct Content;
  std::unique_ptr<Content> content_;
};

}  // namespace metaloom
