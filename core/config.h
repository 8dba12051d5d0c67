// Configuration: a TOML table with dotted overrides from the command line, and the binding of its
// keys to the fields of the class that owns them. A class lists its fields once, in
//   void fields(Fields& f) { f.integer("steps", steps, "updates to make", {1, 1e9}); }
// and from that one list come reading, range checks, did-you-mean, --help and the resolved copy.
// Only config*.cpp know toml++.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace metaloom {

/// Where a setting that was typed comes from, in Table::origin and in messages.
inline constexpr const char* kCommandLine = "command line";

/// Inclusive bounds of a number.
struct Range {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
};

/// What a class does with its list of fields: read them, write them, or describe them.
class Fields {
 public:
  virtual ~Fields() = default;
  virtual void flag(std::string_view key, bool& value, std::string_view about) = 0;
  virtual void integer(std::string_view key, std::int64_t& value, std::string_view about,
                       Range range = {}) = 0;
  virtual void real(std::string_view key, double& value, std::string_view about,
                    Range range = {}) = 0;
  virtual void text(std::string_view key, std::string& value, std::string_view about) = 0;
  /// A text that must be one of `allowed`.
  virtual void choice(std::string_view key, std::string& value, std::string_view about,
                      const std::vector<std::string>& allowed) = 0;
  virtual void texts(std::string_view key, std::vector<std::string>& value,
                     std::string_view about) = 0;
  virtual void integers(std::string_view key, std::vector<std::int64_t>& value,
                        std::string_view about, Range range = {}) = 0;
};

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

/// Reads the fields of `object` from `table`. Every key of `table` must be a field of it (or
/// stand in `others`): an unknown one is an Error{usage} that names the nearest known one.
/// `section` is its dotted path, for messages.
template <class Object>
void read_fields(const Table& table, const std::string& section, Object& object,
                 const std::vector<std::string>& others = {});

/// The fields of `object` with their present values, as a table.
template <class Object>
Table write_fields(Object& object);

/// One line a field: key, default, meaning, bounds; for --help.
template <class Object>
std::string describe_fields(Object& object, const std::string& section);

// What the templates above are made of.
std::unique_ptr<Fields> field_reader(const Table& table, const std::string& section);
void check_all_read(Fields& reader, const std::vector<std::string>& others);
std::unique_ptr<Fields> field_writer(Table& out);
std::unique_ptr<Fields> field_describer(std::string& out, const std::string& section);

template <class Object>
void read_fields(const Table& table, const std::string& section, Object& object,
                 const std::vector<std::string>& others) {
  auto reader = field_reader(table, section);
  object.fields(*reader);
  check_all_read(*reader, others);
}

template <class Object>
Table write_fields(Object& object) {
  Table out;
  object.fields(*field_writer(out));
  return out;
}

template <class Object>
std::string describe_fields(Object& object, const std::string& section) {
  std::string out;
  object.fields(*field_describer(out, section));
  return out;
}

}  // namespace metaloom
