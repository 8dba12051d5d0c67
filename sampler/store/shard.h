// The rows of one file of a token store. What is read of it was compared with its digest, and a row
// that is not what the format promises (offsets that rise inside the file, a label that there is,
// word pieces) is refused before anything is made of it. Thread-safe.
#pragma once

#include <span>
#include <string>

#include "sampler/store/store_manifest.h"

namespace metaloom {

/// Numbers of a checked file: each is compared with its digest before it is handed out.
template <class T>
class Column {
 public:
  Column() = default;
  /// `place` lies in the file and is of T's width.
  Column(const CheckedFile& file, const Extent& place)
      : file_(&file), offset_(place.offset), count_(place.count) {}
  std::int64_t size() const { return count_; }
  T operator[](std::int64_t i) const { return part(i, 1)[0]; }
  std::span<const T> part(std::int64_t first, std::int64_t count) const {
    if (count == 0) return {};
    const std::int64_t from = offset_ + first * static_cast<std::int64_t>(sizeof(T));
    file_->use(from, count * static_cast<std::int64_t>(sizeof(T)));
    return {reinterpret_cast<const T*>(file_->data() + from), static_cast<std::size_t>(count)};
  }
  std::span<const T> all() const { return part(0, count_); }

 private:
  const CheckedFile* file_ = nullptr;
  std::int64_t offset_ = 0, count_ = 0;
};

class StoreShard {
 public:
  struct Columns {
    Column<std::int32_t> tokens, labels;
    Column<std::int64_t> segment_offsets, row_segments, text_digests;
  };

  /// `labels`: how many the store has. Throws Error{data} where a column is not there, or where
  /// their lengths contradict each other; reads none of them.
  StoreShard(StoreFile file, std::int64_t labels);

  std::int64_t rows(Split split) const { return columns(split).labels.size(); }
  const Columns& columns(Split split) const { return columns_[static_cast<std::size_t>(split)]; }
  /// Where the segments of a row begin in the tokens, and where the last one ends.
  std::span<const std::int64_t> bounds(Split split, std::int64_t row) const;
  /// Throws Error{data} naming file, split and row, unless the row is whole.
  void check(Split split, std::int64_t row) const;
  /// All rows, and that they are all there is.
  void check(Split split) const;
  /// "FILE, split train, row 3" (without a row: -1), for messages.
  std::string where(Split split, std::int64_t row) const;

 private:
  Columns columns_at(Split split) const;
  void check_label(Split split, std::int64_t row, std::int64_t segments) const;
  [[noreturn]] void damaged(const std::string& what, Split split, std::int64_t row = -1) const;

  StoreFile file_;
  std::int64_t labels_;
  Columns columns_[3];
};

}  // namespace metaloom
