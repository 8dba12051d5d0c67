// The binding of configuration keys to the fields of the class that owns them. A class lists its
// fields once, in
//   void fields(Fields& f) { f.integer("steps", steps, "updates to make", {1, 1e9}); }
// and from that one list come reading, range checks, did-you-mean, --help and the resolved copy.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/table.h"

namespace metaloom {

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
  /// One of an enum's values, all of them or those `allowed`, written as its words:
  /// words_of(value), declared beside the enum, is an array of them in the order of the values.
  template <class Enum>
  void choice(std::string_view key, Enum& value, std::string_view about,
              std::initializer_list<Enum> allowed = {});
  virtual void texts(std::string_view key, std::vector<std::string>& value,
                     std::string_view about) = 0;
  virtual void integers(std::string_view key, std::vector<std::int64_t>& value,
                        std::string_view about, Range range = {}) = 0;
};

/// The word of an enum's value.
template <class Enum>
std::string word_of(Enum value) {
  return std::string(words_of(value)[static_cast<std::size_t>(value)]);
}

template <class Enum>
void Fields::choice(std::string_view key, Enum& value, std::string_view about,
                    std::initializer_list<Enum> allowed) {
  const auto all = words_of(value);
  std::vector<std::string> words(all.begin(), all.end());
  const std::vector<std::string> every = words;
  if (allowed.size() > 0) words.clear();
  for (const Enum each : allowed) words.push_back(word_of(each));
  std::string word = word_of(value);
  choice(key, word, about, words);
  value = static_cast<Enum>(std::find(every.begin(), every.end(), word) - every.begin());
}

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
