// A model's config.json, read key by key: what is missing or makes no sense is refused by its name.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

#include "core/json.h"
#include "models/layers/activation.h"

namespace metaloom {

class ModelConfig {
 public:
  /// Throws Error{data} on text that is no JSON object.
  explicit ModelConfig(const std::string& json);

  // Each throws Error{data} naming the key where its value is of another kind or out of bounds, or
  // where it is missing and there is no default.
  std::int64_t positive(const char* key, std::optional<std::int64_t> otherwise = {}) const;
  std::int64_t whole(const char* key, std::int64_t otherwise) const;  // of either sign
  std::int64_t not_negative(const char* key, std::int64_t otherwise) const;
  double above_zero(const char* key, std::optional<double> otherwise = {}) const;
  bool flag(const char* key, bool otherwise) const;
  std::string text(const char* key, const std::string& otherwise) const;
  Activation activation(const char* key, const std::string& otherwise = "gelu") const;
  /// Whether the key is there and not null.
  bool has(const char* key) const;
  /// Whether the key is there, and be it null: "none" is another answer than "as always".
  bool says(const char* key) const { return config_.contains(key); }
  /// The value, null where it is missing.
  const Json& at(const char* key) const;

  /// Throws Error{data} unless `key` has one of these values, or none.
  void require(const char* key, std::initializer_list<Json> allowed, const char* cure) const;
  /// Throws Error{data} unless `whole` divides by `part`.
  void require_divides(const char* whole, std::int64_t whole_value, const char* part,
                       std::int64_t part_value) const;
  [[noreturn]] static void refuse(const std::string& what, const std::string& cure);

 private:
  Json config_;
};

}  // namespace metaloom
