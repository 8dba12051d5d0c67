// Which rows of a split belong to which class. Labels are counted when this is made; a split's
// lists of rows (4 bytes a row) are made when a class of it is asked for first. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "sampler/store/token_store.h"

namespace metaloom {

class ClassRows {
 public:
  /// The store must outlive this. Rows without a label belong to no class. Throws Error{data} for a
  /// label without a name, and for a class that is in two splits.
  explicit ClassRows(const TokenStore& store);

  /// The classes that a split has rows of, ascending.
  const std::vector<std::int64_t>& classes(Split split) const { return of(split).classes; }
  std::int64_t rows_of(Split split, std::int64_t label) const;
  /// Its rows, ascending.
  std::span<const std::uint32_t> rows(Split split, std::int64_t label) const;

 private:
  struct Lists {
    std::vector<std::int64_t> classes;
    std::vector<std::int64_t> starts;       // of each label, its first place in rows; then all
    std::unique_ptr<std::uint32_t[]> rows;  // of labels one after the other
    std::once_flag made;
  };
  Lists& of(Split split) const { return lists_[static_cast<std::size_t>(split)]; }
  void count(Split split);
  void fill(Split split) const;

  const TokenStore& store_;
  mutable Lists lists_[3];
};

}  // namespace metaloom
