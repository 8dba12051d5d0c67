#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/config/fields.h"
#include "core/error.h"
#include "core/spelling.h"

namespace metaloom {

namespace {

std::string bounds(Range range) {
  const bool least = std::isfinite(range.least), most = std::isfinite(range.most);
  if (least && most) return fmt::format("{} to {}", range.least, range.most);
  if (least) return fmt::format("at least {}", range.least);
  if (most) return fmt::format("at most {}", range.most);
  return "";
}

std::string quoted_list(const std::vector<std::string>& items) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "\"" : ", \"") + item + '"';
  return '[' + out + ']';
}

// "[a, b]" or "a,b", as typed on a command line, where quotes are a nuisance.
std::vector<std::string> typed_list(std::string typed) {
  if (typed.size() >= 2 && typed.front() == '[' && typed.back() == ']') {
    typed = typed.substr(1, typed.size() - 2);
  }
  std::vector<std::string> out;
  std::istringstream in(typed);
  for (std::string item; std::getline(in, item, ',');) {
    const auto begin = item.find_first_not_of(" \"'"), end = item.find_last_not_of(" \"'");
    if (begin != std::string::npos) out.push_back(item.substr(begin, end - begin + 1));
  }
  return out;
}

}  // namespace

/// Sets fields from a table and remembers which keys there are.
class FieldReader final : public Fields {
 public:
  FieldReader(const Table& table, std::string section)
      : table_(table), section_(std::move(section)) {}

  void flag(std::string_view key, bool& value, std::string_view) override {
    const auto found = take(key);
    if (!found) return;
    if (!is<bool>(*found)) refuse(key, *found, "true or false");
    value = std::get<bool>(found->items[0]);
  }

  void integer(std::string_view key, std::int64_t& value, std::string_view, Range range) override {
    const auto found = take(key);
    if (!found) return;
    const auto whole = found->is_list ? std::nullopt : whole_number(*found, 0);
    if (!whole) refuse(key, *found, "a whole number");
    check(key, static_cast<double>(*whole), range);
    value = *whole;
  }

  void real(std::string_view key, double& value, std::string_view, Range range) override {
    const auto found = take(key);
    if (!found) return;
    double number = 0;
    if (is<double>(*found))
      number = std::get<double>(found->items[0]);
    else if (is<std::int64_t>(*found))
      number = static_cast<double>(std::get<1>(found->items[0]));
    else
      refuse(key, *found, "a number");
    check(key, number, range);
    value = number;
  }

  void text(std::string_view key, std::string& value, std::string_view) override {
    const auto found = take(key);
    if (!found) return;
    if (is<std::string>(*found))
      value = std::get<std::string>(found->items[0]);
    else if (found->typed && found->items.size() == 1 && !found->is_list)
      value = *found->typed;
    else
      refuse(key, *found, "a text in quotes");
  }

  void choice(std::string_view key, std::string& value, std::string_view about,
              const std::vector<std::string>& allowed) override {
    std::string chosen = value;
    text(key, chosen, about);
    if (chosen != value && std::find(allowed.begin(), allowed.end(), chosen) == allowed.end()) {
      throw Error(Fault::usage, fmt::format("\"{}\" cannot be \"{}\"", full(key), chosen),
                  origin(key), did_you_mean(chosen, allowed));
    }
    value = chosen;
  }

  void texts(std::string_view key, std::vector<std::string>& value, std::string_view) override {
    const auto found = take(key);
    if (!found) return;
    std::vector<std::string> list;
    if (!found->is_list && found->typed) {
      list = typed_list(*found->typed);
    } else {
      for (const auto& item : found->items) {
        if (const auto* text = std::get_if<std::string>(&item)) list.push_back(*text);
      }
      if (!found->is_list || list.size() != found->items.size() || found->kind != "a list") {
        refuse(key, *found, "a list of texts, as in [\"a\", \"b\"]");
      }
    }
    value = std::move(list);
  }

  void integers(std::string_view key, std::vector<std::int64_t>& value, std::string_view,
                Range range) override {
    const auto found = take(key);
    if (!found) return;
    std::vector<std::int64_t> list;
    for (std::size_t i = 0; i < found->items.size(); ++i) {
      const auto whole = whole_number(*found, i);
      if (!whole) refuse(key, *found, "a list of whole numbers, as in [1, 2]");
      check(key, static_cast<double>(*whole), range);
      list.push_back(*whole);
    }
    const bool one = found->typed && list.size() == 1;
    if ((!found->is_list && !one) || (found->is_list && found->kind != "a list")) {
      refuse(key, *found, "a list of whole numbers, as in [1, 2]");
    }
    value = std::move(list);
  }

  void check_all_read(const std::vector<std::string>& others) const {
    std::vector<std::string> known = known_;
    known.insert(known.end(), others.begin(), others.end());
    for (const auto& key : table_.keys()) {
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      const std::string place = section_.empty() ? "" : " in [" + section_ + ']';
      throw Error(Fault::usage, fmt::format("unknown key \"{}\"{}", key, place), origin(key),
                  did_you_mean(key, known));
    }
  }

 private:
  std::optional<Table::Value> take(std::string_view key) {
    known_.emplace_back(key);
    return table_.value(std::string(key));
  }

  template <class T>
  static bool is(const Table::Value& value) {
    return !value.is_list && value.items.size() == 1 && std::holds_alternative<T>(value.items[0]);
  }

  // An integer, or a number without a fraction such as 1e5.
  static std::optional<std::int64_t> whole_number(const Table::Value& value, std::size_t i) {
    if (i >= value.items.size()) return std::nullopt;
    if (const auto* whole = std::get_if<std::int64_t>(&value.items[i])) return *whole;
    const auto* number = std::get_if<double>(&value.items[i]);
    if (number == nullptr || !(std::abs(*number) <= 0x1p53) || std::trunc(*number) != *number) {
      return std::nullopt;
    }
    return static_cast<std::int64_t>(*number);
  }

  void check(std::string_view key, double number, Range range) const {
    if (number >= range.least && number <= range.most) return;
    const std::string limits = bounds(range);
    throw Error(Fault::usage, fmt::format("\"{}\" cannot be {}", full(key), number), origin(key),
                limits.empty() ? "Give a number." : "Give a value of " + limits + '.');
  }

  [[noreturn]] void refuse(std::string_view key, const Table::Value& value,
                           const std::string& wanted) const {
    std::string shown;
    if (value.items.size() == 1 && std::holds_alternative<std::string>(value.items[0])) {
      shown = " (\"" + std::get<std::string>(value.items[0]) + "\")";
    }
    throw Error(Fault::usage, '"' + full(key) + "\" is " + value.kind + shown, origin(key),
                "Give " + wanted + '.');
  }

  std::string full(std::string_view key) const {
    return section_.empty() ? std::string(key) : section_ + '.' + std::string(key);
  }
  std::string origin(std::string_view key) const { return table_.origin(std::string(key)); }

  const Table& table_;
  std::string section_;
  std::vector<std::string> known_;
};

namespace {

class FieldWriter final : public Fields {
 public:
  explicit FieldWriter(Table& out) : out_(out) {}
  void flag(std::string_view key, bool& value, std::string_view) override {
    out_.set(std::string(key), value);
  }
  void integer(std::string_view key, std::int64_t& value, std::string_view, Range) override {
    out_.set(std::string(key), value);
  }
  void real(std::string_view key, double& value, std::string_view, Range) override {
    out_.set(std::string(key), value);
  }
  void text(std::string_view key, std::string& value, std::string_view) override {
    out_.set(std::string(key), value);
  }
  void choice(std::string_view key, std::string& value, std::string_view,
              const std::vector<std::string>&) override {
    out_.set(std::string(key), value);
  }
  void texts(std::string_view key, std::vector<std::string>& value, std::string_view) override {
    out_.set(std::string(key), value);
  }
  void integers(std::string_view key, std::vector<std::int64_t>& value, std::string_view,
                Range) override {
    out_.set(std::string(key), value);
  }

 private:
  Table& out_;
};

class FieldDescriber final : public Fields {
 public:
  FieldDescriber(std::string& out, std::string section) : out_(out), section_(std::move(section)) {}
  void flag(std::string_view key, bool& value, std::string_view about) override {
    line(key, value ? "true" : "false", about, "");
  }
  void integer(std::string_view key, std::int64_t& value, std::string_view about,
               Range range) override {
    line(key, std::to_string(value), about, bounds(range));
  }
  void real(std::string_view key, double& value, std::string_view about, Range range) override {
    line(key, fmt::format("{}", value), about, bounds(range));
  }
  void text(std::string_view key, std::string& value, std::string_view about) override {
    line(key, '"' + value + '"', about, "");
  }
  void choice(std::string_view key, std::string& value, std::string_view about,
              const std::vector<std::string>& allowed) override {
    line(key, '"' + value + '"', about, fmt::format("{}", fmt::join(allowed, " | ")));
  }
  void texts(std::string_view key, std::vector<std::string>& value,
             std::string_view about) override {
    line(key, quoted_list(value), about, "");
  }
  void integers(std::string_view key, std::vector<std::int64_t>& value, std::string_view about,
                Range range) override {
    line(key, fmt::format("[{}]", fmt::join(value, ", ")), about, bounds(range));
  }

 private:
  void line(std::string_view key, const std::string& now, std::string_view about,
            const std::string& limits) {
    const std::string name =
        section_.empty() ? std::string(key) : section_ + '.' + std::string(key);
    out_ += fmt::format("  {:<28} {}{}\n", name + " = " + now, about,
                        limits.empty() ? "" : " (" + limits + ')');
  }

  std::string& out_;
  std::string section_;
};

}  // namespace

std::unique_ptr<Fields> field_reader(const Table& table, const std::string& section) {
  return std::make_unique<FieldReader>(table, section);
}

void check_all_read(Fields& reader, const std::vector<std::string>& others) {
  dynamic_cast<FieldReader&>(reader).check_all_read(others);
}

std::unique_ptr<Fields> field_writer(Table& out) {
  return std::make_unique<FieldWriter>(out);
}

std::unique_ptr<Fields> field_describer(std::string& out, const std::string& section) {
  return std::make_unique<FieldDescriber>(out, section);
}

}  // namespace metaloom
