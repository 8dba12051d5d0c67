// One dataset's tokens, mapped read-only: no HDF5 call after opening. Format: docs/formats.md.
// The store owns the mapping that every Example points into. Thread-safe for reading.
#pragma once

#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/files/files.h"
#include "sampler/task.h"

namespace metaloom {

struct Layout;  // core/archive/archive.h

class TokenStore {
 public:
  /// Opens NAME.h5: first size and digest against NAME.json, before HDF5 sees a byte, then every
  /// offset table, token and label. Throws Error{data} naming the file, the split and the row.
  explicit TokenStore(const std::filesystem::path& file);

  const DatasetInfo& info() const { return info_; }
  const std::filesystem::path& file() const { return file_; }
  /// Of what tasks are made of, wherever the rows came from: labels, their words, and all rows.
  /// Reads the whole store.
  std::string content_digest() const;
  std::int64_t rows(Split split) const;
  /// From here on no task is drawn from these rows of a split.
  void leave_out(Split split, const std::set<std::int64_t>& rows);
  /// The rows that tasks are drawn from, ascending: all but those left out.
  std::vector<std::int64_t> drawn_rows(Split split) const;
  std::int64_t left_out(Split split) const;
  /// A row's segments (views) and its label: an index into info().labels or, where the dataset has
  /// none, the index of the right choice; -1 where the row has no label.
  Example example(Split split, std::int64_t row) const;
  std::int64_t label(Split split, std::int64_t row) const;
  std::int64_t segments(Split split, std::int64_t row) const;
  /// Word pieces of one segment of a row, and of all of them together.
  std::int64_t segment_tokens(Split split, std::int64_t row, std::int64_t segment) const;
  std::int64_t row_tokens(Split split, std::int64_t row) const;
  /// XXH3 of each row's normalised text: equal texts, equal numbers (for overlaps).
  std::span<const std::int64_t> text_digests(Split split) const;

 private:
  struct Columns {
    std::span<const std::int32_t> tokens, labels;
    std::span<const std::int64_t> segment_offsets, row_segments, text_digests;
  };
  const Columns& columns(Split split) const { return columns_[static_cast<int>(split)]; }
  void read_info(const Layout& layout);
  void map_columns(const Layout& layout, Split split);
  void check_offsets(Split split) const;
  void check_numbers(Split split) const;
  [[noreturn]] void damaged(const std::string& what, Split split, std::int64_t row = -1) const;

  std::filesystem::path file_;
  Mapping mapping_;
  DatasetInfo info_;
  Columns columns_[3];
  std::set<std::int64_t> left_out_[3];
};

}  // namespace metaloom
